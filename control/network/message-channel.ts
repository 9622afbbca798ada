/**
 * One open message stream over libp2p: the `MessageStream` that its user holds.
 *
 *   libp2p stream ──bytes──▶ MessageReader ──▶ waiting ──▶ onMessage        send ──▶ frame ──▶ libp2p stream
 *
 * Main thread. What arrives before its user listens waits, up to a limit; then, in order, it is told, the end last.
 * A stream whose peer does not read, or breaks the framing, is aborted: messages must not be lost, nor queues grow.
 */
import type { Stream } from '@libp2p/interface';
import { frameMessage, MessageReader } from './message-framing.ts';
import type { MessageStream } from './message-streams.ts';

/** The largest message, either way. */
export const STREAM_MESSAGE_MAX_BYTES = 65_536;
/** What a stream may have unsent: some fifteen of the largest messages, for a peer that is a round trip behind. */
const QUEUE_MAX_BYTES = 1_048_576;
/** What may wait for a user that does not listen yet: it begins to in the turn in which it is given the stream. */
const WAITING_MAX_BYTES = 262_144;
/** How long a closing stream may take to send what is queued. */
const CLOSE_TIMEOUT_MS = 2_000;

/** Where a channel comes from. */
export interface MessageChannelOrigin {
  readonly peer: string;
  readonly openedHere: boolean;
  readonly stream: Stream;
  /** Called for each message that goes out. */
  readonly sent: () => void;
  /** Called once when the stream has ended, before its user is told. */
  readonly ended: () => void;
}

/** See the file's head. */
export class MessageChannel implements MessageStream {
  readonly peer: string;
  readonly openedHere: boolean;
  readonly #stream: Stream;
  readonly #sent: () => void;
  readonly #waiting: Uint8Array[] = [];
  #waitingBytes = 0;
  #closeReason: string | undefined;
  #isClosed = false;
  #isDelivering = false;
  #onMessage: ((message: Uint8Array) => void) | undefined;
  #onClose: ((reason: string) => void) | undefined;

  constructor({ peer, openedHere, stream, sent, ended }: MessageChannelOrigin) {
    this.#sent = sent;
    this.peer = peer;
    this.openedHere = openedHere;
    this.#stream = stream;
    const reader = new MessageReader(STREAM_MESSAGE_MAX_BYTES);
    stream.addEventListener('message', (event) => {
      if (!reader.push(event.data.subarray(), (message) => this.#take(message))) {
        stream.abort(new Error('a message over 64 KiB, or no message at all'));
      }
    });
    // Half-closed streams carry nothing for us: when the peer stops writing, so do we.
    stream.addEventListener('remoteCloseWrite', () => this.#closeStream(), { once: true });
    const end = (reason: string): void => {
      ended();
      this.#closeReason = reason;
      this.#deliver();
    };
    stream.addEventListener('close', (event) => end(event.error?.message ?? 'closed'), { once: true });
    // What has happened to the stream while it was negotiated is not told again. What it has read meanwhile comes in
    // a microtask which is queued already, so that it is delivered first.
    queueMicrotask(() => {
      if (stream.status !== 'open') {
        end('closed while it was opened');
      } else if (stream.remoteWriteStatus === 'closed') {
        this.#closeStream();
      }
    });
  }

  get onMessage(): (message: Uint8Array) => void {
    return this.#onMessage ?? (() => undefined);
  }

  set onMessage(listener: (message: Uint8Array) => void) {
    this.#onMessage = listener;
    // In a later microtask: the other listener may be set next.
    queueMicrotask(() => this.#deliver());
  }

  get onClose(): (reason: string) => void {
    return this.#onClose ?? (() => undefined);
  }

  set onClose(listener: (reason: string) => void) {
    this.#onClose = listener;
    queueMicrotask(() => this.#deliver());
  }

  send(message: Uint8Array): boolean {
    const stream = this.#stream;
    if (this.#isClosed || stream.status !== 'open' || stream.writeStatus !== 'writable') {
      return false;
    }
    if (
      message.length > STREAM_MESSAGE_MAX_BYTES ||
      stream.writeBufferLength + message.length > QUEUE_MAX_BYTES
    ) {
      stream.abort(new Error('the peer does not read its stream'));
      return false;
    }
    try {
      stream.send(frameMessage(message));
      this.#sent();
      return true;
    } catch (cause) {
      stream.abort(cause instanceof Error ? cause : new Error('send failed'));
      return false;
    }
  }

  close(): void {
    this.#waiting.length = 0;
    this.#waitingBytes = 0;
    this.#closeStream();
    this.#isClosed = true;
  }

  /** Sends what is queued, then ends; a peer that does not end its side soon is not waited for. */
  #closeStream(): void {
    const stream = this.#stream;
    const abort = (): void => stream.abort(new Error('not closed in time'));
    stream.close({ signal: AbortSignal.timeout(CLOSE_TIMEOUT_MS) }).catch(abort);
    setTimeout(abort, CLOSE_TIMEOUT_MS).unref();
  }

  #take(message: Uint8Array): void {
    if (this.#isClosed) {
      return;
    }
    this.#waiting.push(message);
    this.#waitingBytes += message.length;
    this.#deliver();
    if (this.#waitingBytes > WAITING_MAX_BYTES) {
      this.#stream.abort(new Error('nobody listens to the stream'));
    }
  }

  #deliver(): void {
    if (this.#isDelivering) {
      return;
    }
    this.#isDelivering = true;
    try {
      while (this.#onMessage !== undefined && this.#waiting.length > 0) {
        const message = this.#waiting.shift() ?? new Uint8Array();
        this.#waitingBytes -= message.length;
        this.#onMessage(message);
      }
    } finally {
      this.#isDelivering = false;
    }
    const [reason, onClose] = [this.#closeReason, this.#onClose];
    if (reason !== undefined && onClose !== undefined && this.#waiting.length === 0) {
      this.#closeReason = undefined;
      onClose(reason);
    }
  }
}
