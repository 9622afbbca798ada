/**
 * One recvmmsg for many messages, each with its source, the local address and the GRO segment size, over memory that
 * is laid out once. The thread that made it; nothing is allocated per receive.
 *
 *   mmsghdr[count], 64 bytes each, as the kernel steps through them
 *   per message: 0 iovec 16 │ 16 control 96 │ 112 source 32                      144 bytes
 */
import { libc } from './libc.ts';
import { allocateNative, type NativeMemory, writeWord64 } from './native-memory.ts';
import { SOCKADDR_IN6_BYTES } from './sockaddr.ts';
import { IP_PKTINFO, IPV6_PKTINFO, SOL_IP, SOL_IPV6, SOL_UDP, UDP_GRO } from './udp-socket.ts';

const HEADER_BYTES = 64;
const STRIDE = 144;
const CONTROL = 16;
const CONTROL_BYTES = 96;
const NAME = 112;
const MESSAGE_LENGTH = 56;
const CONTROL_LENGTH = 40;
const MSG_DONTWAIT = 0x40;

/** Receives on one socket into places of one size. */
export class MessageReceiver {
  /** Set by {@link MessageReceiver.parse}: what the last parsed message said. */
  length = 0;
  /** 0: it is one datagram. */
  segmentBytes = 0;
  addressBytes = 0;

  readonly #memory: NativeMemory;
  readonly #fd: number;
  readonly #count: number;
  #used: number;

  /**
   * @param places - address of the first place; `bytes` between them; `count` of them
   */
  constructor(fd: number, places: { address: number; bytes: number; count: number }) {
    this.#fd = fd;
    this.#count = places.count;
    this.#used = places.count;
    this.#memory = allocateNative((HEADER_BYTES + STRIDE) * places.count);
    for (let i = 0; i < places.count; i++) {
      const header = HEADER_BYTES * i;
      const parts = this.#partsAt(i);
      const address = this.#memory.address + parts;
      writeWord64(this.#memory, header, address + NAME);
      writeWord64(this.#memory, header + 16, address);
      writeWord64(this.#memory, header + 24, 1);
      writeWord64(this.#memory, header + 32, address + CONTROL);
      writeWord64(this.#memory, parts, places.address + places.bytes * i);
      writeWord64(this.#memory, parts + 8, places.bytes);
    }
  }

  /**
   * Receives what is there without waiting. An error that the socket had pending is taken as "nothing".
   *
   * @returns how many messages came; see {@link MessageReceiver.parse}
   */
  receive(): number {
    const { u32, pointer } = this.#memory;
    // The kernel overwrote these lengths in the messages that it filled.
    for (let i = 0; i < this.#used; i++) {
      u32[(HEADER_BYTES * i + 8) >> 2] = SOCKADDR_IN6_BYTES;
      u32[(HEADER_BYTES * i + CONTROL_LENGTH) >> 2] = CONTROL_BYTES;
    }
    const received = libc.recvmmsg(this.#fd, pointer, this.#count, MSG_DONTWAIT, 0);
    this.#used = Math.max(received, 0);
    return this.#used;
  }

  /**
   * Reads the lengths of message `index` into this object, and its addresses into `into`.
   *
   * @param into - 28 bytes of source at `sourceAt`, 16 of the local address at `localAt`
   */
  parse(index: number, into: Uint8Array, sourceAt: number, localAt: number): void {
    const { bytes, u32 } = this.#memory;
    const at = HEADER_BYTES * index;
    const name = this.#partsAt(index) + NAME;
    this.length = u32[(at + MESSAGE_LENGTH) >> 2] ?? 0;
    this.addressBytes = Math.min(u32[(at + 8) >> 2] ?? 0, SOCKADDR_IN6_BYTES);
    this.segmentBytes = 0;
    for (let i = 0; i < SOCKADDR_IN6_BYTES; i++) {
      into[sourceAt + i] = i < this.addressBytes ? (bytes[name + i] ?? 0) : 0;
    }
    for (let i = 0; i < 16; i++) into[localAt + i] = 0;
    this.#parseControl(this.#partsAt(index) + CONTROL, u32[(at + CONTROL_LENGTH) >> 2] ?? 0, into, localAt);
  }

  #partsAt(index: number): number {
    return HEADER_BYTES * this.#count + STRIDE * index;
  }

  #parseControl(from: number, controlBytes: number, into: Uint8Array, localAt: number): void {
    const { bytes, u32, i32 } = this.#memory;
    const end = from + Math.min(controlBytes, CONTROL_BYTES);
    let at = from;
    while (at + 16 <= end) {
      const size = u32[at >> 2] ?? 0;
      if (size < 16) return;
      const level = u32[(at + 8) >> 2] ?? 0;
      const type = u32[(at + 12) >> 2] ?? 0;
      if (level === SOL_UDP && type === UDP_GRO) this.segmentBytes = i32[(at + 16) >> 2] ?? 0;
      else if (level === SOL_IP && type === IP_PKTINFO) {
        for (let i = 0; i < 4; i++) into[localAt + i] = bytes[at + 20 + i] ?? 0;
      } else if (level === SOL_IPV6 && type === IPV6_PKTINFO) {
        for (let i = 0; i < 16; i++) into[localAt + i] = bytes[at + 16 + i] ?? 0;
      }
      at += (size + 7) & ~7;
    }
  }
}
