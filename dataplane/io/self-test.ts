/**
 * Tries UDP GSO and GRO over loopback with sockets of its own before they carry frames: how many segments one send
 * takes, and whether the bytes arrive as they left. Main thread, at start and in `peertap doctor`; a few milliseconds.
 */
import { closeDescriptor } from './eventfd.ts';
import { libc } from './libc.ts';
import { MessageReceiver } from './message-receiver.ts';
import { MessageSender } from './message-sender.ts';
import { allocateNative } from './native-memory.ts';
import { encodeSocketAddress } from './sockaddr.ts';
import { errnoName, SystemError } from './system-error.ts';
import { type DatagramSocket, openDatagramSocket } from './udp-socket.ts';

/** What the kernel was found to do. */
export interface OffloadSelfTest {
  /** Most datagrams that one send takes; 1: no GSO. */
  readonly gsoSegments: number;
  /** Trains arrive whole. */
  readonly gro: boolean;
  /** For the log and the doctor: why something is off. */
  readonly reasons: readonly string[];
}

/** Largest first; Linux before 6.9 takes 64. */
const SEGMENT_COUNTS = [128, 64, 32, 2] as const;
const SEGMENT_BYTES = 500;
const LAST_SEGMENT_BYTES = 77;
const PLACES = 160;
const PLACE_BYTES = 65_536;
const POLLIN = 1;
const RECEIVE_WAIT_MS = 200;

/** Runs the test; never throws. */
export function selfTestOffloads(): OffloadSelfTest {
  const sockets: DatagramSocket[] = [];
  try {
    const open = (gro: boolean): DatagramSocket => {
      const socket = openDatagramSocket({ address: { ip: '127.0.0.1', port: 0 }, bufferBytes: 1 << 20, gro });
      sockets.push(socket);
      return socket;
    };
    return tryOffloads(new LoopbackPair(open(false), open(false)), new LoopbackPair(open(false), open(true)));
  } catch (error) {
    const reason = error instanceof SystemError ? error.message : String(error);
    return { gsoSegments: 1, gro: false, reasons: [`the offload test could not run: ${reason}`] };
  } finally {
    for (const socket of sockets) closeDescriptor(socket.fd);
  }
}

function tryOffloads(plain: LoopbackPair, grouping: LoopbackPair): OffloadSelfTest {
  const single = plain.transfer(1);
  if (single.problem !== undefined) {
    return {
      gsoSegments: 1,
      gro: false,
      reasons: [
        `loopback carries no datagram (${single.problem}), so UDP offloads stay off: ip link set lo up`,
      ],
    };
  }
  const reasons: string[] = [];
  const gsoSegments = SEGMENT_COUNTS.find((count) => {
    const { problem } = plain.transfer(count);
    if (problem !== undefined && count <= 64) reasons.push(`GSO with ${count} segments: ${problem}`);
    return problem === undefined;
  });
  if (gsoSegments === undefined) return { gsoSegments: 1, gro: false, reasons };
  if (!grouping.receiver.gro)
    return { gsoSegments, gro: false, reasons: [...reasons, 'the kernel has no UDP_GRO'] };
  const grouped = grouping.transfer(Math.min(gsoSegments, 32));
  if (grouped.problem !== undefined) reasons.push(`GRO: ${grouped.problem}`);
  else if (grouped.messages > 1) reasons.push('GRO: trains arrive one datagram at a time');
  return { gsoSegments, gro: grouped.problem === undefined && grouped.messages === 1, reasons };
}

/** Two sockets, and memory for a train in each direction of the test. */
class LoopbackPair {
  readonly receiver: DatagramSocket;
  readonly #sender: MessageSender;
  readonly #incoming: MessageReceiver;
  readonly #sent = allocateNative(PLACE_BYTES);
  readonly #received = allocateNative(PLACES * PLACE_BYTES);
  readonly #poll = allocateNative(8);

  constructor(from: DatagramSocket, to: DatagramSocket) {
    this.receiver = to;
    this.#sender = new MessageSender(from.fd, false);
    const address = new Uint8Array(28);
    this.#sender.setDestination(address, 0, encodeSocketAddress(to.address, false, address, 0));
    const places = { address: this.#received.address, bytes: PLACE_BYTES, count: PLACES };
    this.#incoming = new MessageReceiver(to.fd, places);
    this.#poll.i32[0] = to.fd;
    this.#poll.u16[2] = POLLIN;
  }

  /** Sends a train of `count` datagrams, the last of them shorter, and compares what arrives. */
  transfer(count: number): { problem: string | undefined; messages: number } {
    const total = SEGMENT_BYTES * (count - 1) + LAST_SEGMENT_BYTES;
    for (let i = 0; i < total; i++) this.#sent.bytes[i] = (i * 31 + (i >> 8) * 7 + count) & 0xff;
    const failed = this.#sender.send(this.#sent.address, total, count > 1 ? SEGMENT_BYTES : 0);
    if (failed !== 0) return { problem: `send: ${errnoName(failed)}`, messages: 0 };
    return this.#compare(count, total);
  }

  #compare(count: number, total: number): { problem: string | undefined; messages: number } {
    const ignored = new Uint8Array(44);
    let offset = 0;
    let messages = 0;
    let datagrams = 0;
    while (offset < total) {
      if (libc.poll(this.#poll.address, 1, RECEIVE_WAIT_MS) <= 0) {
        return { problem: `${datagrams} of ${count} datagrams arrived`, messages };
      }
      const received = this.#incoming.receive();
      for (let i = 0; i < received; i++) {
        this.#incoming.parse(i, ignored, 0, 28);
        const { length } = this.#incoming;
        const segment = this.#incoming.segmentBytes === 0 ? length : this.#incoming.segmentBytes;
        if (length > segment && segment !== SEGMENT_BYTES)
          return { problem: `segments of ${segment} bytes`, messages };
        if (!this.#equal(i * PLACE_BYTES, offset, length))
          return { problem: 'the bytes were changed', messages };
        offset += length;
        messages++;
        datagrams += Math.ceil(length / segment);
      }
    }
    return { problem: datagrams === count ? undefined : `${datagrams} datagrams came of ${count}`, messages };
  }

  #equal(receivedAt: number, sentAt: number, length: number): boolean {
    const received = this.#received.bytes.subarray(receivedAt, receivedAt + length);
    return Buffer.compare(received, this.#sent.bytes.subarray(sentAt, sentAt + length)) === 0;
  }
}
