/**
 * One sendmsg with a destination, a source address and UDP_SEGMENT, over memory that is laid out once. The thread
 * that made it; nothing is allocated per send.
 *
 *   0 msghdr │ 64 iovec │ 80 control: [UDP_SEGMENT] [PKTINFO] │ 160 destination │ 192 pollfd
 *
 * @see man 7 udp (UDP_SEGMENT), man 7 ip (IP_PKTINFO), RFC 3542 §6 (IPV6_PKTINFO)
 */
import { errno, libc } from './libc.ts';
import { allocateNative, type NativeMemory, writeWord64 } from './native-memory.ts';
import { ERRNO } from './system-error.ts';
import { IP_PKTINFO, IPV6_PKTINFO, SOL_IP, SOL_IPV6, SOL_UDP, UDP_SEGMENT } from './udp-socket.ts';

const IOVEC = 64;
const CONTROL = 80;
const NAME = 160;
const POLLFD = 192;
const SEGMENT_SPACE_BYTES = 24;
const POLLOUT = 4;
const SEND_WAIT_MS = 2;
const MSG_DONTWAIT = 0x40;

/** Sends on one socket. */
export class MessageSender {
  readonly #memory: NativeMemory = allocateNative(200);
  readonly #fd: number;
  readonly #ipv6: boolean;
  #hasSource = false;

  constructor(fd: number, ipv6: boolean) {
    this.#fd = fd;
    this.#ipv6 = ipv6;
    const memory = this.#memory;
    writeWord64(memory, 0, memory.address + NAME);
    writeWord64(memory, 16, memory.address + IOVEC);
    writeWord64(memory, 24, 1);
    memory.i32[POLLFD >> 2] = fd;
    memory.u16[(POLLFD + 4) >> 1] = POLLOUT;
  }

  /**
   * Chooses where the following sends go.
   *
   * @param bytes - holds a sockaddr at `offset`
   * @param addressBytes - its length, at most 28
   */
  setDestination(bytes: Uint8Array, offset: number, addressBytes: number): void {
    const memory = this.#memory;
    for (let i = 0; i < addressBytes; i++) memory.bytes[NAME + i] = bytes[offset + i] ?? 0;
    memory.u32[2] = addressBytes;
  }

  /**
   * Chooses the source address of the following sends.
   *
   * @param bytes - 4 (IPv4 socket) or 16 bytes at `offset`; all zero leaves the choice to the kernel
   */
  setSource(bytes: Uint8Array, offset: number): void {
    const { bytes: control } = this.#memory;
    const length = this.#ipv6 ? 16 : 4;
    let any = 0;
    for (let i = 0; i < length; i++) any |= bytes[offset + i] ?? 0;
    this.#hasSource = any !== 0;
    if (!this.#hasSource) return;
    // Laid behind the segment's place; without a segment the control data simply starts here.
    const at = CONTROL + SEGMENT_SPACE_BYTES;
    writeWord64(this.#memory, at, 16 + (this.#ipv6 ? 20 : 12));
    this.#memory.u32[(at + 8) >> 2] = this.#ipv6 ? SOL_IPV6 : SOL_IP;
    this.#memory.u32[(at + 12) >> 2] = this.#ipv6 ? IPV6_PKTINFO : IP_PKTINFO;
    // in_pktinfo: index, spec_dst, addr; in6_pktinfo: address, index. The index stays 0.
    const addressAt = at + 16 + (this.#ipv6 ? 0 : 4);
    for (let i = 0; i < length; i++) control[addressAt + i] = bytes[offset + i] ?? 0;
  }

  /**
   * Sends; a full socket is waited for, once and for at most 2 ms.
   *
   * @param address - of the first byte, in memory
   * @param segmentBytes - size of each datagram in it; 0: it is one datagram
   * @returns 0, or the errno
   */
  send(address: number, length: number, segmentBytes: number): number {
    const memory = this.#memory;
    writeWord64(memory, IOVEC, address);
    writeWord64(memory, IOVEC + 8, length);
    this.#layControl(segmentBytes);
    let waited = false;
    for (;;) {
      if (libc.sendmsg(this.#fd, memory.pointer, MSG_DONTWAIT) >= 0) return 0;
      const number = errno();
      if (number === ERRNO.EINTR) continue;
      if (number !== ERRNO.EAGAIN || waited) return number;
      waited = true;
      libc.poll(memory.address + POLLFD, 1, SEND_WAIT_MS);
    }
  }

  #layControl(segmentBytes: number): void {
    const memory = this.#memory;
    const sourceBytes = this.#hasSource ? (this.#ipv6 ? 40 : 32) : 0;
    if (segmentBytes === 0) {
      writeWord64(memory, 32, sourceBytes === 0 ? 0 : memory.address + CONTROL + SEGMENT_SPACE_BYTES);
      writeWord64(memory, 40, sourceBytes);
      return;
    }
    writeWord64(memory, CONTROL, 18);
    memory.u32[(CONTROL + 8) >> 2] = SOL_UDP;
    memory.u32[(CONTROL + 12) >> 2] = UDP_SEGMENT;
    memory.u16[(CONTROL + 16) >> 1] = segmentBytes;
    writeWord64(memory, 32, memory.address + CONTROL);
    writeWord64(memory, 40, SEGMENT_SPACE_BYTES + sourceBytes);
  }
}
