/**
 * Owns raw Ethernet frames on an interface: an AF_PACKET socket by system calls, for what no user program sends (an
 * EtherType of our own, tagged frames on a kernel without VLAN devices).
 *
 * The kernel takes the outermost tag out of a received frame and hands it over beside it; it is put back here, so that
 * a frame reads as it was on the wire. Runs on the main thread of a probe process, which may block; never in a test
 * process itself, whose event loop it would stop.
 *
 * @see packet(7)
 */

import koffi from 'koffi';

const libc = koffi.load('libc.so.6');
const openSocket = libc.func('int socket(int, int, int)');
const bindSocket = libc.func('int bind(int, void *, uint32_t)');
const setOption = libc.func('int setsockopt(int, int, int, void *, uint32_t)');
const interfaceIndex = libc.func('uint32_t if_nametoindex(const char *)');
const sendBytes = libc.func('int64_t send(int, void *, size_t, int)');
const receiveMessage = libc.func('int64_t recvmsg(int, void *, int)');
const pollDescriptors = libc.func('int poll(void *, uint64_t, int)');
const closeDescriptor = libc.func('int close(int)');

const AF_PACKET = 17;
const SOCK_RAW = 3;
const ETH_P_ALL_BE = 0x0300;
const SOL_PACKET = 263;
const PACKET_AUXDATA = 8;
const PACKET_IGNORE_OUTGOING = 23;
const SOL_SOCKET = 1;
const SO_RCVBUFFORCE = 33;
const MSG_DONTWAIT = 0x40;
const POLLIN = 1;
const TP_STATUS_VLAN_VALID = 1 << 4;
const TP_STATUS_VLAN_TPID_VALID = 1 << 6;
const DEFAULT_TPID = 0x8100;
const RECEIVE_BUFFER_BYTES = 8 << 20;
/** A super-frame and a tag. */
const FRAME_LIMIT_BYTES = 65_536 + 64;
/** cmsghdr on 64-bit machines: length 8, level 4, type 4. */
const CMSG_HEADER_BYTES = 16;
const MAC_BYTES = 12;

/** One socket on one interface: sends and receives whole frames. */
export class PacketSocket {
  readonly descriptor: number;
  readonly #frame = Buffer.alloc(FRAME_LIMIT_BYTES);
  readonly #control = Buffer.alloc(64);
  readonly #iovec = Buffer.alloc(16);
  readonly #header = Buffer.alloc(56);

  /** @throws Error without CAP_NET_RAW or such an interface */
  constructor(interfaceName: string) {
    const index = Number(interfaceIndex(interfaceName));
    if (index === 0) throw new Error(`there is no interface ${interfaceName}`);
    this.descriptor = Number(openSocket(AF_PACKET, SOCK_RAW, ETH_P_ALL_BE));
    if (this.descriptor < 0) throw new Error('cannot open a packet socket: CAP_NET_RAW is needed');
    const one = Buffer.from([1, 0, 0, 0]);
    const bufferBytes = Buffer.alloc(4);
    bufferBytes.writeUInt32LE(RECEIVE_BUFFER_BYTES);
    setOption(this.descriptor, SOL_SOCKET, SO_RCVBUFFORCE, bufferBytes, 4);
    setOption(this.descriptor, SOL_PACKET, PACKET_AUXDATA, one, 4);
    setOption(this.descriptor, SOL_PACKET, PACKET_IGNORE_OUTGOING, one, 4);
    // sockaddr_ll: family u16, protocol u16 (network order), index i32, the rest unused here.
    const address = Buffer.alloc(20);
    address.writeUInt16LE(AF_PACKET, 0);
    address.writeUInt16LE(ETH_P_ALL_BE, 2);
    address.writeInt32LE(index, 4);
    if (Number(bindSocket(this.descriptor, address, address.length)) !== 0)
      throw new Error(`cannot bind to ${interfaceName}`);
    this.#layMessageHeader();
  }

  /** Sends a frame from its destination address on. @returns false when the kernel refused it */
  send(frame: Uint8Array): boolean {
    return Number(sendBytes(this.descriptor, frame, frame.length, 0)) === frame.length;
  }

  /**
   * Takes a waiting frame.
   *
   * @returns undefined when none waits; a view that the next call overwrites otherwise
   */
  receive(): Buffer | undefined {
    this.#header.writeBigUInt64LE(BigInt(this.#control.length), 40);
    const length = Number(receiveMessage(this.descriptor, this.#header, MSG_DONTWAIT));
    if (length < 0) return undefined;
    return this.#withTag(this.#frame.subarray(0, length));
  }

  close(): void {
    closeDescriptor(this.descriptor);
  }

  /** msghdr: name 8, namelen 8, iov 8, iovlen 8, control 8, controllen 8, flags 8. */
  #layMessageHeader(): void {
    this.#iovec.writeBigUInt64LE(koffi.address(this.#frame), 0);
    this.#iovec.writeBigUInt64LE(BigInt(this.#frame.length), 8);
    this.#header.writeBigUInt64LE(koffi.address(this.#iovec), 16);
    this.#header.writeBigUInt64LE(1n, 24);
    this.#header.writeBigUInt64LE(koffi.address(this.#control), 32);
  }

  #withTag(frame: Buffer): Buffer {
    const control = this.#control.subarray(0, Number(this.#header.readBigUInt64LE(40)));
    if (control.length < CMSG_HEADER_BYTES + 20 || control.readInt32LE(12) !== PACKET_AUXDATA) return frame;
    // tpacket_auxdata: status u32, len u32, snaplen u32, mac u16, net u16, vlan_tci u16, vlan_tpid u16.
    const status = control.readUInt32LE(CMSG_HEADER_BYTES);
    if ((status & TP_STATUS_VLAN_VALID) === 0) return frame;
    const tag = Buffer.alloc(4);
    const tpid = control.readUInt16LE(CMSG_HEADER_BYTES + 18);
    tag.writeUInt16BE((status & TP_STATUS_VLAN_TPID_VALID) === 0 ? DEFAULT_TPID : tpid, 0);
    tag.writeUInt16BE(control.readUInt16LE(CMSG_HEADER_BYTES + 16), 2);
    return Buffer.concat([frame.subarray(0, MAC_BYTES), tag, frame.subarray(MAC_BYTES)]);
  }
}

/** Waits until one of several sockets has a frame. @returns false when the time is over first */
export function waitForFrame(sockets: readonly PacketSocket[], timeoutMs: number): boolean {
  const descriptors = Buffer.alloc(8 * sockets.length);
  sockets.forEach((socket, at) => {
    descriptors.writeInt32LE(socket.descriptor, at * 8);
    descriptors.writeInt16LE(POLLIN, at * 8 + 4);
  });
  return Number(pollDescriptors(descriptors, sockets.length, timeoutMs)) > 0;
}
