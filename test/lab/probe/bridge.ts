/**
 * Probe program: a bridge in user space between two interfaces that disturbs what passes, as a bad path does.
 *
 *   left ─▶ [ hold back · repeat · damage ] ─▶ right, and the same from right to left
 *
 *   node bridge.ts '{"left":"left","right":"right","holdEvery":10,"holdFrames":3}'
 *
 * It only touches UDP over IPv4 to or from the daemons' datagram ports; all else is forwarded as it came. Ends with its
 * process. Runs in the middle namespace of a topology of the lab.
 */

import * as v from 'valibot';

import { PacketSocket, waitForFrame } from '../packet-socket.ts';

const request = v.object({
  left: v.string(),
  right: v.string(),
  /** Every n-th datagram waits until `holdFrames` others have overtaken it. 0: none. */
  holdEvery: v.optional(v.number(), 0),
  holdFrames: v.optional(v.number(), 3),
  /** Every n-th datagram is sent twice. 0: none. */
  repeatEvery: v.optional(v.number(), 0),
  /** A damaged copy goes before every n-th datagram: one bit flipped, or cut short. 0: none. */
  damageEvery: v.optional(v.number(), 0),
});

type Disturbance = v.InferOutput<typeof request>;

const ETHERNET_BYTES = 14;
const IP_PROTOCOL_UDP = 17;
const UDP_BYTES = 8;
const FIRST_PORT = 7947;
const LAST_PORT = 7962;
/** A datagram is not held longer than this when nothing follows it. */
const HOLD_LIMIT_MS = 20;
/** Bound on frames that are moved in one turn, so that neither direction starves. */
const TURN_FRAMES = 64;

/** One direction of the bridge. */
class Direction {
  readonly #from: PacketSocket;
  readonly #to: PacketSocket;
  readonly #disturbance: Disturbance;
  #datagramCount = 0;
  #held: { frame: Buffer; overtakenBy: number; sinceMs: number } | undefined;

  constructor(from: PacketSocket, to: PacketSocket, disturbance: Disturbance) {
    this.#from = from;
    this.#to = to;
    this.#disturbance = disturbance;
  }

  get isHolding(): boolean {
    return this.#held !== undefined;
  }

  /** Moves what waits. */
  turn(nowMs: number): void {
    for (let moved = 0; moved < TURN_FRAMES; moved++) {
      const frame = this.#from.receive();
      if (frame === undefined) break;
      if (isDaemonDatagram(frame)) this.#forwardDatagram(frame, nowMs);
      else this.#to.send(frame);
    }
    if (this.#held !== undefined && nowMs - this.#held.sinceMs > HOLD_LIMIT_MS) this.#release();
  }

  #forwardDatagram(frame: Buffer, nowMs: number): void {
    const { holdEvery, repeatEvery, damageEvery } = this.#disturbance;
    const number = ++this.#datagramCount;
    if (isNth(number, damageEvery)) this.#to.send(damaged(frame, number));
    if (isNth(number, holdEvery) && this.#held === undefined) {
      this.#held = { frame: Buffer.from(frame), overtakenBy: 0, sinceMs: nowMs };
      return;
    }
    this.#to.send(frame);
    if (isNth(number, repeatEvery)) this.#to.send(frame);
    if (this.#held !== undefined && ++this.#held.overtakenBy >= this.#disturbance.holdFrames) this.#release();
  }

  #release(): void {
    if (this.#held !== undefined) this.#to.send(this.#held.frame);
    this.#held = undefined;
  }
}

function isNth(number: number, every: number): boolean {
  return every > 0 && number % every === 0;
}

function isDaemonDatagram(frame: Buffer): boolean {
  if (frame.length < ETHERNET_BYTES + 20 + UDP_BYTES || frame.readUInt16BE(12) !== 0x0800) return false;
  if (frame[ETHERNET_BYTES + 9] !== IP_PROTOCOL_UDP) return false;
  const udp = udpOffset(frame);
  const ports = [frame.readUInt16BE(udp), frame.readUInt16BE(udp + 2)];
  return ports.some((port) => port >= FIRST_PORT && port <= LAST_PORT);
}

/** A copy that the kernel's checksum does not catch: a UDP checksum of 0 means "none". @see RFC 768 */
function damaged(frame: Buffer, number: number): Buffer {
  const copy = Buffer.from(frame);
  const udp = udpOffset(copy);
  copy.writeUInt16BE(0, udp + 6);
  const payload = udp + UDP_BYTES;
  const payloadBytes = copy.length - payload;
  if (payloadBytes <= 1) return copy;
  // A number that walks over all bits of the payload, and now and then a cut instead.
  if (number % 7 === 0) return cutTo(copy, payload + (number % payloadBytes));
  const bit = (number * 61) % (payloadBytes * 8);
  copy.writeUInt8(copy.readUInt8(payload + (bit >> 3)) ^ (1 << (bit & 7)), payload + (bit >> 3));
  return copy;
}

/** Shortens a datagram and makes its IP and UDP lengths agree. */
function cutTo(frame: Buffer, length: number): Buffer {
  const udp = udpOffset(frame);
  frame.writeUInt16BE(length - udp, udp + 4);
  frame.writeUInt16BE(length - ETHERNET_BYTES, ETHERNET_BYTES + 2);
  frame.writeUInt16BE(0, ETHERNET_BYTES + 10);
  let sum = 0;
  for (let at = ETHERNET_BYTES; at < udp; at += 2) sum += frame.readUInt16BE(at);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  frame.writeUInt16BE(~sum & 0xffff, ETHERNET_BYTES + 10);
  return frame.subarray(0, length);
}

function udpOffset(frame: Buffer): number {
  return ETHERNET_BYTES + (frame.readUInt8(ETHERNET_BYTES) & 15) * 4;
}

const disturbance = v.parse(request, JSON.parse(process.argv[2] ?? '{}'));
const left = new PacketSocket(disturbance.left);
const right = new PacketSocket(disturbance.right);
const directions = [new Direction(left, right, disturbance), new Direction(right, left, disturbance)];
process.stdout.write('ready\n');
for (;;) {
  waitForFrame([left, right], directions.some((direction) => direction.isHolding) ? 5 : 1000);
  for (const direction of directions) direction.turn(performance.now());
}
