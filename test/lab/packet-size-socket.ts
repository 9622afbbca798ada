/**
 * Owns looking at how large the packets are that an interface hands to its wire: an AF_PACKET socket by system calls.
 *
 * The kernel shows outgoing packets to such a socket after it has cut them, right before the driver, and incoming ones
 * only after GRO has put them together. So only outgoing ones tell what crosses the wire. Runs on the main thread of a
 * probe process, which may block; never in a test process itself, whose event loop it would stop.
 *
 * @see packet(7)
 */

import koffi from 'koffi';

const libc = koffi.load('libc.so.6');
const openSocket = libc.func('int socket(int, int, int)');
const bindSocket = libc.func('int bind(int, void *, uint32_t)');
const setOption = libc.func('int setsockopt(int, int, int, void *, uint32_t)');
const interfaceIndex = libc.func('uint32_t if_nametoindex(const char *)');
const receiveFrom = libc.func('int64_t recvfrom(int, void *, size_t, int, void *, void *)');
const closeDescriptor = libc.func('int close(int)');

const AF_PACKET = 17;
const SOCK_RAW = 3;
const ETH_P_ALL_BE = 0x0300;
const SOL_SOCKET = 1;
const SO_RCVTIMEO = 20;
const MSG_TRUNC = 0x20;
const PACKET_OUTGOING = 4;
const WAIT_MICROSECONDS = 20_000n;
/** sockaddr_ll: family u16, protocol u16 (network order), index i32, hatype u16, pkttype u8, the rest unused here. */
const ADDRESS_BYTES = 20;
const PACKET_TYPE_AT = 10;

/** One socket on one interface. */
export class PacketSizeSocket {
  readonly #descriptor: number;
  readonly #start = Buffer.alloc(16);
  readonly #from = Buffer.alloc(ADDRESS_BYTES);
  readonly #fromLength = Buffer.alloc(4);

  /** @throws Error without CAP_NET_RAW or such an interface */
  constructor(interfaceName: string) {
    const index = Number(interfaceIndex(interfaceName));
    if (index === 0) throw new Error(`there is no interface ${interfaceName}`);
    this.#descriptor = Number(openSocket(AF_PACKET, SOCK_RAW, ETH_P_ALL_BE));
    if (this.#descriptor < 0) throw new Error('cannot open a packet socket: CAP_NET_RAW is needed');
    // timeval: seconds i64, microseconds i64.
    const timeout = Buffer.alloc(16);
    timeout.writeBigInt64LE(WAIT_MICROSECONDS, 8);
    setOption(this.#descriptor, SOL_SOCKET, SO_RCVTIMEO, timeout, timeout.length);
    const address = Buffer.alloc(ADDRESS_BYTES);
    address.writeUInt16LE(AF_PACKET, 0);
    address.writeUInt16LE(ETH_P_ALL_BE, 2);
    address.writeInt32LE(index, 4);
    if (Number(bindSocket(this.#descriptor, address, address.length)) !== 0)
      throw new Error(`cannot bind to ${interfaceName}`);
  }

  /** Takes the next packet, waiting a moment for it. @returns its size when it was one that left, else undefined */
  next(): number | undefined {
    this.#fromLength.writeUInt32LE(ADDRESS_BYTES);
    const bytes = Number(
      receiveFrom(this.#descriptor, this.#start, this.#start.length, MSG_TRUNC, this.#from, this.#fromLength),
    );
    return bytes > 0 && this.#from[PACKET_TYPE_AT] === PACKET_OUTGOING ? bytes : undefined;
  }

  close(): void {
    closeDescriptor(this.#descriptor);
  }
}
