/**
 * Listens to what passes an interface, as tcpdump does: an AF_PACKET socket. Main thread, never the frame path: it reads
 * what the kernel kept, without waiting, and the kernel counts what found no room.
 *
 *   mmsghdr[count], 64 bytes each
 *   per message: 0 iovec 16 │ 16 control 80 │ 96 sockaddr_ll 24 │ 120 4 free bytes │ 124 the frame
 *
 * A VLAN tag of a frame may come beside it (PACKET_AUXDATA): it is put back where it was, for which the four bytes are free.
 *
 * @see packet(7)
 */
import { errno, libc } from './libc.ts';
import { allocateNative, type NativeMemory, writeWord64 } from './native-memory.ts';
import { RouteNetlink } from './rtnetlink.ts';
import { ERRNO, SystemError, unexpectedError } from './system-error.ts';
import { SOL_SOCKET } from './udp-socket.ts';

const AF_PACKET = 17;
const SOCK_RAW_NONBLOCK_CLOEXEC = 0o2004003;
const ETH_P_ALL = 3;
const SOCKADDR_LL_BYTES = 20;
const PACKET_TYPE_AT = 10;
const PACKET_OUTGOING = 4;

const SOL_PACKET = 263;
const PACKET_STATISTICS = 6;
const PACKET_AUXDATA = 8;
const SO_RCVBUFFORCE = 33;
const SO_TIMESTAMPNS = 35;
const MSG_TRUNC = 0x20;
const MSG_DONTWAIT = 0x40;
const TP_STATUS_VLAN_VALID = 0x10;
const TP_STATUS_VLAN_TPID_VALID = 0x40;
const ETHERTYPE_VLAN = 0x8100;

/** Some thousand full-size frames, with what the kernel takes for each. */
const RECEIVE_BUFFER_BYTES = 16_777_216;
/** Of all messages together. */
const BATCH_BYTES = 2_097_152;
const MAX_BATCH = 64;

const HEADER_BYTES = 64;
const CONTROL = 16;
const CONTROL_BYTES = 80;
const NAME = 96;
const FRAME = 124;
const MESSAGE_LENGTH = 56;
const CONTROL_LENGTH = 40;
const MACS_BYTES = 12;
const TAG_BYTES = 4;

/** One frame that passed; valid during the call only. */
export interface PassedFrame {
  readonly bytes: Uint8Array;
  /** Its length as it passed. */
  readonly originalBytes: number;
  readonly seconds: number;
  readonly nanoseconds: number;
  /** This machine sent it. */
  readonly isOutgoing: boolean;
}

interface Auxiliary {
  seconds: number;
  nanoseconds: number;
  /** Four bytes of a VLAN tag, as a number; undefined: there was none beside the frame. */
  tag: number | undefined;
}

/** Listens to one interface. */
export class PacketSocket {
  readonly #fd: number;
  readonly #snapBytes: number;
  readonly #stride: number;
  readonly #count: number;
  readonly #memory: NativeMemory;
  #dropped = 0;

  /**
   * @param snapBytes - kept of each frame
   * @throws SystemError no-such-interface, no-permission, system
   */
  constructor(interfaceName: string, snapBytes: number) {
    this.#snapBytes = snapBytes;
    this.#stride = (FRAME + snapBytes + 7) & ~7;
    this.#count = Math.max(1, Math.min(MAX_BATCH, Math.floor(BATCH_BYTES / this.#stride)));
    this.#memory = allocateNative((HEADER_BYTES + this.#stride) * this.#count);
    this.#lay();
    // Of no protocol, so that nothing of another interface comes in before it is bound.
    this.#fd = libc.socket(AF_PACKET, SOCK_RAW_NONBLOCK_CLOEXEC, 0);
    if (this.#fd < 0) throw refusal(errno());
    try {
      this.#setOptions();
      this.#bind(indexOf(interfaceName), interfaceName);
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /**
   * Takes what is there, without waiting.
   *
   * @param most - frames
   * @returns frames taken; -1: the interface is gone, or down
   */
  read(most: number, onFrame: (frame: PassedFrame) => void): number {
    let taken = 0;
    while (taken < most) {
      const wanted = Math.min(this.#count, most - taken);
      const received = this.#receive(wanted);
      if (received < 0) return taken === 0 ? -1 : taken;
      for (let index = 0; index < received; index++) onFrame(this.#frameAt(index));
      taken += received;
      if (received < wanted) break;
    }
    return taken;
  }

  /** Frames that passed and found no room, since the beginning. */
  dropped(): number {
    const statistics = allocateNative(16);
    statistics.u32[2] = 8;
    const { address } = statistics;
    if (libc.getsockopt(this.#fd, SOL_PACKET, PACKET_STATISTICS, address, address + 8) === 0) {
      // The kernel counts anew after each call.
      this.#dropped += statistics.u32[1] ?? 0;
    }
    return this.#dropped;
  }

  close(): void {
    libc.close(this.#fd);
  }

  #lay(): void {
    for (let index = 0; index < this.#count; index++) {
      const header = HEADER_BYTES * index;
      const parts = this.#partsAt(index);
      const address = this.#memory.address + parts;
      writeWord64(this.#memory, header, address + NAME);
      writeWord64(this.#memory, header + 16, address);
      writeWord64(this.#memory, header + 24, 1);
      writeWord64(this.#memory, header + 32, address + CONTROL);
      writeWord64(this.#memory, parts, address + FRAME);
      writeWord64(this.#memory, parts + 8, this.#snapBytes);
    }
  }

  #partsAt(index: number): number {
    return HEADER_BYTES * this.#count + this.#stride * index;
  }

  #setOptions(): void {
    const value = allocateNative(8);
    const set = (level: number, name: number, number: number): number => {
      value.u32[0] = number;
      return libc.setsockopt(this.#fd, level, name, value.address, 4);
    };
    // Without CAP_NET_ADMIN the buffer is the usual one, and more is counted as dropped.
    set(SOL_SOCKET, SO_RCVBUFFORCE, RECEIVE_BUFFER_BYTES);
    if (set(SOL_SOCKET, SO_TIMESTAMPNS, 1) !== 0) throw unexpectedError('ask for times of frames', errno());
    if (set(SOL_PACKET, PACKET_AUXDATA, 1) !== 0) throw unexpectedError('ask for tags of frames', errno());
  }

  #bind(index: number, interfaceName: string): void {
    const address = allocateNative(24);
    address.u16[0] = AF_PACKET;
    address.bytes[3] = ETH_P_ALL;
    address.i32[1] = index;
    if (libc.bind(this.#fd, address.address, SOCKADDR_LL_BYTES) !== 0) {
      throw unexpectedError(`listen to interface ${interfaceName}`, errno());
    }
  }

  #receive(wanted: number): number {
    const { u32, pointer } = this.#memory;
    for (let index = 0; index < wanted; index++) {
      u32[(HEADER_BYTES * index + 8) >> 2] = SOCKADDR_LL_BYTES;
      u32[(HEADER_BYTES * index + CONTROL_LENGTH) >> 2] = CONTROL_BYTES;
    }
    const received = libc.recvmmsg(this.#fd, pointer, wanted, MSG_DONTWAIT | MSG_TRUNC, 0);
    if (received >= 0) return received;
    const number = errno();
    return number === ERRNO.EAGAIN || number === ERRNO.EINTR ? 0 : -1;
  }

  #frameAt(index: number): PassedFrame {
    const { bytes, u32 } = this.#memory;
    const header = HEADER_BYTES * index;
    const parts = this.#partsAt(index);
    const length = u32[(header + MESSAGE_LENGTH) >> 2] ?? 0;
    const { seconds, nanoseconds, tag } = this.#auxiliary(
      parts + CONTROL,
      u32[(header + CONTROL_LENGTH) >> 2] ?? 0,
    );
    const isOutgoing = bytes[parts + NAME + PACKET_TYPE_AT] === PACKET_OUTGOING;
    let begin = parts + FRAME;
    let kept = Math.min(length, this.#snapBytes);
    let originalBytes = length;
    if (tag !== undefined && kept >= MACS_BYTES) {
      bytes.copyWithin(begin - TAG_BYTES, begin, begin + MACS_BYTES);
      begin -= TAG_BYTES;
      new DataView(bytes.buffer).setUint32(begin + MACS_BYTES, tag);
      kept = Math.min(kept + TAG_BYTES, this.#snapBytes);
      originalBytes += TAG_BYTES;
    }
    return { bytes: bytes.subarray(begin, begin + kept), originalBytes, seconds, nanoseconds, isOutgoing };
  }

  #auxiliary(from: number, controlBytes: number): Auxiliary {
    const { u16, u32 } = this.#memory;
    const end = from + Math.min(controlBytes, CONTROL_BYTES);
    const found: Auxiliary = { seconds: 0, nanoseconds: 0, tag: undefined };
    for (let at = from; at + 16 <= end; ) {
      const size = u32[at >> 2] ?? 0;
      if (size < 16) break;
      const level = u32[(at + 8) >> 2];
      const type = u32[(at + 12) >> 2];
      const data = at + 16;
      if (level === SOL_SOCKET && type === SO_TIMESTAMPNS) {
        found.seconds = (u32[data >> 2] ?? 0) + (u32[(data + 4) >> 2] ?? 0) * 2 ** 32;
        found.nanoseconds = u32[(data + 8) >> 2] ?? 0;
      } else if (level === SOL_PACKET && type === PACKET_AUXDATA) {
        const status = u32[data >> 2] ?? 0;
        const protocol =
          (status & TP_STATUS_VLAN_TPID_VALID) === 0 ? ETHERTYPE_VLAN : (u16[(data + 18) >> 1] ?? 0);
        const control = u16[(data + 16) >> 1] ?? 0;
        if ((status & TP_STATUS_VLAN_VALID) !== 0) found.tag = ((protocol << 16) | control) >>> 0;
      }
      at += (size + 7) & ~7;
    }
    return found;
  }
}

function indexOf(interfaceName: string): number {
  const netlink = new RouteNetlink();
  try {
    return netlink.linkIndex(interfaceName);
  } finally {
    netlink.close();
  }
}

function refusal(number: number): SystemError {
  if (number !== ERRNO.EPERM && number !== ERRNO.EACCES) {
    return unexpectedError('make a packet socket', number);
  }
  const todo = 'run the daemon as root, or give it CAP_NET_RAW';
  return new SystemError('no-permission', number, `not permitted to listen to an interface: ${todo}`);
}
