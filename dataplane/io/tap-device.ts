/**
 * TAP interfaces: opened with several queues, with virtio headers and offloads. Main thread. An interface is not
 * persistent: it vanishes with its last descriptor, so a daemon that dies leaves none behind.
 */
import { VIRTIO_HEADER_BYTES } from '../shm/layout.ts';
import { errno, libc } from './libc.ts';
import { allocateNative } from './native-memory.ts';
import { ERRNO, SystemError, unexpectedError } from './system-error.ts';

const TUN_PATH = '/dev/net/tun';
const OPEN_FLAGS = 0o2004002; // O_RDWR | O_NONBLOCK | O_CLOEXEC

const TUNSETIFF = 0x400454ca;
const TUNSETOFFLOAD = 0x400454d0;
const TUNSETVNETHDRSZ = 0x400454d8;
const TUNSETQUEUE = 0x400454d9;

const IFF_TAP = 0x0002;
const IFF_MULTI_QUEUE = 0x0100;
const IFF_ATTACH_QUEUE = 0x0200;
const IFF_DETACH_QUEUE = 0x0400;
const IFF_NO_PI = 0x1000;
const IFF_VNET_HDR = 0x4000;
const IFF_TUN_EXCL = 0x8000;

const TUN_F_CSUM = 0x01;
const TUN_F_TSO4 = 0x02;
const TUN_F_TSO6 = 0x04;
const TUN_F_TSO_ECN = 0x08;
const TUN_F_USO4 = 0x20;
const TUN_F_USO6 = 0x40;

const IFNAMSIZ = 16;
const IFREQ_BYTES = 40;

/** An open TAP interface. */
export interface TapDevice {
  readonly name: string;
  /** One descriptor a queue, non-blocking; the caller closes them. */
  readonly fds: readonly number[];
  /** The kernel hands over and takes TCP super-frames. */
  readonly tso: boolean;
  /** Likewise UDP ones (Linux 6.2 and later). */
  readonly uso: boolean;
}

/** How to open one. */
export interface TapOptions {
  readonly queues: number;
  /** false: ask for no segmentation offload (checksums are still left to us). */
  readonly tso: boolean;
  readonly uso: boolean;
}

/**
 * Makes a TAP interface with multiple queues. It is down and has no address; see rtnetlink.ts.
 *
 * @param name - 1 to 15 bytes
 * @throws SystemError name-invalid, name-in-use, no-permission, no-tun-device, not-supported, system
 */
export function openTapDevice(name: string, options: TapOptions): TapDevice {
  requireInterfaceName(name);
  const fds: number[] = [];
  try {
    for (let queue = 0; queue < options.queues; queue++) fds.push(openQueue(name, queue === 0));
    return { name, fds, ...setOffloads(fds[0] ?? -1, options) };
  } catch (error) {
    closeTapQueues(fds);
    throw error;
  }
}

/** Closes queues; the interface goes with the last one. */
export function closeTapQueues(fds: readonly number[]): void {
  for (const fd of fds) libc.close(fd);
}

/**
 * Takes a queue out of the kernel's choice, for a worker that died: its flows move to the others' queues.
 *
 * @returns false when the kernel refuses (the interface is gone, or the queue is detached already)
 */
export function detachTapQueue(fd: number): boolean {
  return queueRequest(fd, IFF_DETACH_QUEUE);
}

/** Puts a detached queue back; as {@link detachTapQueue}. */
export function attachTapQueue(fd: number): boolean {
  return queueRequest(fd, IFF_ATTACH_QUEUE);
}

/** Throws unless the kernel may take it as an interface's name. */
export function requireInterfaceName(name: string): void {
  const bytes = Buffer.byteLength(name);
  if (bytes === 0 || bytes >= IFNAMSIZ) {
    throw new SystemError(
      'name-invalid',
      0,
      `interface name "${name}" has ${bytes} bytes; Linux takes 1 to ${IFNAMSIZ - 1}: choose a shorter one`,
    );
  }
  if (/[/:\s%\0]/.test(name) || name === '.' || name === '..') {
    throw new SystemError('name-invalid', 0, `interface name "${name}" has a character that Linux refuses`);
  }
}

function openQueue(name: string, first: boolean): number {
  const fd = openTun();
  const request = allocateNative(IFREQ_BYTES);
  request.bytes.set(Buffer.from(name));
  // Only the first queue may insist on a new interface: the others join it.
  request.u16[8] = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | IFF_MULTI_QUEUE | (first ? IFF_TUN_EXCL : 0);
  if (libc.ioctl(fd, TUNSETIFF, request.address) === 0) return fd;
  const number = errno();
  libc.close(fd);
  throw setInterfaceError(name, number);
}

function openTun(): number {
  const path = allocateNative(32);
  path.bytes.set(Buffer.from(TUN_PATH));
  const fd = libc.open(path.address, OPEN_FLAGS, 0);
  if (fd >= 0) return fd;
  const number = errno();
  if (number === ERRNO.ENOENT || number === ERRNO.ENODEV || number === ERRNO.ENXIO) {
    throw new SystemError(
      'no-tun-device',
      number,
      `${TUN_PATH} is not there: load the kernel's tun module (modprobe tun), or give the container the device`,
    );
  }
  if (number === ERRNO.EACCES || number === ERRNO.EPERM) {
    throw new SystemError(
      'no-permission',
      number,
      `${TUN_PATH} may not be opened: run as root, or give CAP_NET_ADMIN`,
    );
  }
  throw unexpectedError(`open ${TUN_PATH}`, number);
}

function setInterfaceError(name: string, number: number): SystemError {
  if (number === ERRNO.EPERM || number === ERRNO.EACCES) {
    const todo = 'run as root, or give the process CAP_NET_ADMIN';
    return new SystemError('no-permission', number, `interface ${name} may not be made: ${todo}`);
  }
  // A name that belongs to an interface that is no TAP comes back as EINVAL.
  if (number === ERRNO.EBUSY || number === ERRNO.EEXIST || number === ERRNO.EINVAL) {
    const todo = 'choose another name, or remove that interface (ip link show)';
    return new SystemError('name-in-use', number, `interface name ${name} is in use: ${todo}`);
  }
  if (number === ERRNO.E2BIG) {
    return new SystemError(
      'not-supported',
      number,
      `the kernel takes fewer queues for ${name}: use fewer workers`,
    );
  }
  return unexpectedError(`make interface ${name}`, number);
}

/** A TAP without offloads still works, so a refusal is reported, not thrown; the header's size is needed. */
function setOffloads(fd: number, options: TapOptions): { tso: boolean; uso: boolean } {
  const size = allocateNative(8);
  size.u32[0] = VIRTIO_HEADER_BYTES;
  if (libc.ioctl(fd, TUNSETVNETHDRSZ, size.address) !== 0)
    throw unexpectedError('set the virtio header size', errno());
  const tso = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN;
  // USO4 and USO6 go only together, and older kernels know neither.
  const uso = TUN_F_USO4 | TUN_F_USO6;
  const accepts = (flags: number): boolean => libc.ioctl(fd, TUNSETOFFLOAD, flags) === 0;
  if (options.tso && options.uso && accepts(tso | uso)) return { tso: true, uso: true };
  if (options.tso && accepts(tso)) return { tso: true, uso: false };
  accepts(TUN_F_CSUM);
  return { tso: false, uso: false };
}

function queueRequest(fd: number, flags: number): boolean {
  const request = allocateNative(IFREQ_BYTES);
  request.u16[8] = flags;
  return libc.ioctl(fd, TUNSETQUEUE, request.address) === 0;
}
