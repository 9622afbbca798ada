/**
 * Carries heartbeats: one open stream to each warm peer, a question and its answer now and then.
 *
 * The stream keeps the connection, at both ends, so that a heartbeat costs some tens of bytes and no handshake. It is
 * closed when no question has gone over it for some intervals. Main thread.
 */
import type { MessageStream, MessageStreams } from '../network/message-streams.ts';
import type { PeerIdText } from '../trunk/trunk-port.ts';
import {
  HEARTBEAT_NONCE_BYTES,
  HEARTBEAT_PROTOCOL,
  readHeartbeat,
  writeHeartbeat,
} from './heartbeat-message.ts';

/** A slow path's round trips. */
const ANSWER_TIMEOUT_MS = 5_000;
/** Streams that others keep to us; each holds a connection of some 172 kB. */
const INBOUND_MAX = 256;
/** Questions of one stream closer together than this are not answered. */
const QUESTION_MIN_MS = 500;

/** What it is made of. */
export interface HeartbeatPorts {
  readonly streams: MessageStreams;
  readonly intervalMs: number;
  randomBytes(count: number): Uint8Array;
  nowMs(): number;
  /** How many of our trunks are taken, 0‥255. */
  load(): number;
}

interface Link {
  readonly stream: MessageStream;
  idleTimer: NodeJS.Timeout | undefined;
  pending: { readonly nonce: Uint8Array; readonly settle: (load: number | undefined) => void } | undefined;
}

/** See the file's head. */
export class HeartbeatDriver {
  readonly #ports: HeartbeatPorts;
  readonly #links = new Map<PeerIdText, Link>();
  readonly #inbound = new Set<MessageStream>();
  #isStopped = false;

  constructor(ports: HeartbeatPorts) {
    this.#ports = ports;
  }

  /** Answers from now on. */
  async start(): Promise<void> {
    await this.#ports.streams.accept(HEARTBEAT_PROTOCOL, (stream) => {
      this.#accept(stream);
    });
  }

  stop(): void {
    this.#isStopped = true;
    for (const link of [...this.#links.values()]) {
      this.#close(link);
    }
    for (const stream of [...this.#inbound]) {
      stream.close();
    }
  }

  /** Asks a peer. @returns its answer and how long it took; undefined when it did not answer */
  async ask(
    peer: PeerIdText,
    addresses: readonly string[],
  ): Promise<{ readonly rttMs: number; readonly load: number } | undefined> {
    try {
      const link = this.#links.get(peer) ?? this.#adopt(await this.#open(peer, addresses));
      const askedMs = this.#ports.nowMs();
      const load = await this.#question(link);
      return load === undefined ? undefined : { rttMs: this.#ports.nowMs() - askedMs, load };
    } catch {
      // Unreachable, or of another version: no answer.
      return undefined;
    }
  }

  async #open(peer: PeerIdText, addresses: readonly string[]): Promise<MessageStream> {
    const stream = await this.#ports.streams.open(peer, HEARTBEAT_PROTOCOL, addresses);
    if (this.#isStopped) {
      stream.close();
    }
    return stream;
  }

  #adopt(stream: MessageStream): Link {
    const link: Link = { stream, idleTimer: undefined, pending: undefined };
    this.#links.get(stream.peer)?.stream.close();
    this.#links.set(stream.peer, link);
    stream.onMessage = (bytes) => {
      const message = readHeartbeat(bytes);
      const isAnswer =
        message?.kind === 'answer' &&
        link.pending !== undefined &&
        Buffer.compare(message.nonce, link.pending.nonce) === 0;
      if (isAnswer) {
        link.pending?.settle(message.load);
      }
    };
    stream.onClose = () => {
      this.#close(link);
    };
    return link;
  }

  #question(link: Link): Promise<number | undefined> {
    const nonce = this.#ports.randomBytes(HEARTBEAT_NONCE_BYTES);
    link.pending?.settle(undefined);
    clearTimeout(link.idleTimer);
    link.idleTimer = setTimeout(() => {
      this.#close(link);
    }, 2.5 * this.#ports.intervalMs);
    link.idleTimer.unref();
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        // Whoever is silent on an open stream has gone without a word: the next question dials.
        this.#close(link);
      }, ANSWER_TIMEOUT_MS);
      link.pending = {
        nonce,
        settle: (load) => {
          clearTimeout(timer);
          link.pending = undefined;
          resolve(load);
        },
      };
      if (!link.stream.send(writeHeartbeat({ kind: 'question', load: this.#ports.load(), nonce }))) {
        this.#close(link);
      }
    });
  }

  #close(link: Link): void {
    clearTimeout(link.idleTimer);
    link.pending?.settle(undefined);
    if (this.#links.get(link.stream.peer) === link) {
      this.#links.delete(link.stream.peer);
    }
    link.stream.close();
  }

  #accept(stream: MessageStream): void {
    if (this.#inbound.size >= INBOUND_MAX || this.#isStopped) {
      stream.close();
      return;
    }
    this.#inbound.add(stream);
    let answeredMs = Number.NEGATIVE_INFINITY;
    stream.onClose = () => {
      this.#inbound.delete(stream);
    };
    stream.onMessage = (bytes) => {
      const message = readHeartbeat(bytes);
      const nowMs = this.#ports.nowMs();
      if (message?.kind !== 'question' || nowMs - answeredMs < QUESTION_MIN_MS) {
        return;
      }
      answeredMs = nowMs;
      stream.send(writeHeartbeat({ kind: 'answer', load: this.#ports.load(), nonce: message.nonce }));
    };
  }
}
