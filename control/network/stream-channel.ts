/**
 * One libp2p stream of ours, either kind: bytes in, bytes out, bounded both ways.
 *
 * Main thread. A control stream whose writes pile up is closed: its peer does not read, and messages must not
 * be lost. A carrier stream drops datagrams instead. Waiting for the stream to take more is done by one `drain`
 * listener; `stream.onDrain()` returns at once for ever after its first use, and would let memory grow.
 */
import type { Stream } from '@libp2p/interface';
import { MESSAGE_MAX_BYTES } from '../trunk/messages/trunk-messages.ts';
import type { ConnectionId, StreamId, TrunkNetworkHost } from '../trunk/network-port.ts';
import { CarrierReader, CarrierWriter } from './carrier-framing.ts';
import { frameMessage, MessageReader } from './message-framing.ts';

/** What a control stream may have unsent: a Hello is 2 kB, a full Meet 5 kB. */
const CONTROL_QUEUE_MAX_BYTES = 262_144;
/** What a carrier stream may have unsent, beside what yamux holds: 10 ms at 800 Mbit/s. */
const CARRIER_QUEUE_MAX_BYTES = 1_048_576;
/** How long a closing stream may take to send what is queued. */
const CLOSE_TIMEOUT_MS = 2_000;

export interface Channel {
  readonly id: StreamId;
  readonly connection: ConnectionId;
  close(abort: boolean): void;
}

/** What both kinds have in common: closing, and telling once that the stream has ended. */
function manageClosing(
  stream: Stream,
  id: StreamId,
  host: TrunkNetworkHost,
  ended: () => void,
): (abort: boolean) => void {
  stream.addEventListener(
    'close',
    (event) => {
      ended();
      host.input({ kind: 'stream-closed', stream: id, reason: event.error?.message ?? 'closed' });
    },
    { once: true },
  );
  const close = (abort: boolean): void => {
    if (abort) {
      stream.abort(new Error('closed by this node'));
      return;
    }
    stream.close({ signal: AbortSignal.timeout(CLOSE_TIMEOUT_MS) }).catch((cause: unknown) => {
      stream.abort(cause instanceof Error ? cause : new Error('close failed'));
    });
  };
  // Half-closed streams carry nothing for us: when the peer stops writing, so do we.
  stream.addEventListener('remoteCloseWrite', () => close(false), { once: true });
  return close;
}

export interface ChannelOrigin {
  readonly id: StreamId;
  readonly connection: ConnectionId;
  readonly stream: Stream;
  readonly host: TrunkNetworkHost;
  /** Called once when the stream has ended, before the host is told. */
  readonly ended: () => void;
}

export class ControlChannel implements Channel {
  readonly id: StreamId;
  readonly connection: ConnectionId;
  readonly close: (abort: boolean) => void;
  readonly #stream: Stream;

  constructor({ id, connection, stream, host, ended }: ChannelOrigin) {
    this.id = id;
    this.connection = connection;
    this.#stream = stream;
    this.close = manageClosing(stream, id, host, ended);
    const reader = new MessageReader(MESSAGE_MAX_BYTES);
    stream.addEventListener('message', (event) => {
      const isSound = reader.push(event.data.subarray(), (message) => {
        host.input({ kind: 'message', stream: id, message });
      });
      if (!isSound) {
        stream.abort(new Error('a message over 64 KiB, or no message at all'));
      }
    });
  }

  send(message: Uint8Array): void {
    const stream = this.#stream;
    if (stream.status !== 'open' || stream.writeStatus !== 'writable') {
      return;
    }
    if (stream.writeBufferLength + message.length > CONTROL_QUEUE_MAX_BYTES) {
      stream.abort(new Error('the peer does not read its control stream'));
      return;
    }
    try {
      stream.send(frameMessage(message));
    } catch (cause) {
      stream.abort(cause instanceof Error ? cause : new Error('send failed'));
    }
  }
}

export class CarrierChannel implements Channel {
  readonly id: StreamId;
  readonly connection: ConnectionId;
  readonly close: (abort: boolean) => void;
  readonly #stream: Stream;
  readonly #writer = new CarrierWriter(CARRIER_QUEUE_MAX_BYTES);
  #isFlushPlanned = false;

  constructor({ id, connection, stream, host, ended }: ChannelOrigin) {
    this.id = id;
    this.connection = connection;
    this.#stream = stream;
    this.close = manageClosing(stream, id, host, ended);
    const reader = new CarrierReader();
    const deliver = (bytes: Uint8Array, offset: number, length: number): void => {
      host.carrierDatagram(id, bytes, offset, length);
    };
    stream.addEventListener('message', (event) => {
      // The list's parts are read one by one: joining them would copy every byte once more.
      const parts = event.data instanceof Uint8Array ? [event.data] : event.data;
      for (const part of parts) {
        if (!reader.push(part, deliver)) {
          stream.abort(new Error('broken framing on a carrier stream'));
          return;
        }
      }
    });
    stream.addEventListener('drain', () => this.#flush());
  }

  /** @returns false when the datagram was dropped */
  send(bytes: Uint8Array, offset: number, length: number): boolean {
    if (this.#stream.writeStatus !== 'writable' || !this.#writer.push(bytes, offset, length)) {
      return false;
    }
    if (!this.#isFlushPlanned) {
      this.#isFlushPlanned = true;
      queueMicrotask(() => {
        this.#isFlushPlanned = false;
        this.#flush();
      });
    }
    return true;
  }

  #flush(): void {
    const stream = this.#stream;
    try {
      while (stream.status === 'open' && stream.writeStatus === 'writable' && !stream.writableNeedsDrain) {
        const batch = this.#writer.take();
        if (batch === undefined) {
          return;
        }
        stream.send(batch);
      }
    } catch (cause) {
      stream.abort(cause instanceof Error ? cause : new Error('send failed'));
    }
  }
}
