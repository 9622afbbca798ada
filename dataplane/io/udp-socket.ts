/**
 * The workers' datagram sockets, made and bound by the main thread. Each is non-blocking, ignores ICMP's claims on
 * the path's size (IP_PMTUDISC_PROBE, RFC 8899 §4.6.1), says to which address a datagram came, and takes GRO trains.
 */
import { errno, libc } from './libc.ts';
import { allocateNative } from './native-memory.ts';
import {
  AF_INET,
  AF_INET6,
  decodeSocketAddress,
  encodeSocketAddress,
  SOCKADDR_IN6_BYTES,
  type SocketAddress,
} from './sockaddr.ts';
import { ERRNO, SystemError, unexpectedError } from './system-error.ts';

const SOCK_DGRAM_NONBLOCK_CLOEXEC = 0o2004002;
export const SOL_IP = 0;
export const SOL_SOCKET = 1;
export const SOL_UDP = 17;
export const SOL_IPV6 = 41;
export const UDP_SEGMENT = 103;
export const UDP_GRO = 104;
export const IP_PKTINFO = 8;
export const IPV6_PKTINFO = 50;
const IPV6_RECVPKTINFO = 49;
const IP_MTU_DISCOVER = 10;
const IPV6_MTU_DISCOVER = 23;
const PMTUDISC_PROBE = 3;
const IPV6_V6ONLY = 26;
const SO_SNDBUF = 7;
const SO_RCVBUF = 8;
const SO_SNDBUFFORCE = 32;
const SO_RCVBUFFORCE = 33;

/** How to bind one. */
export interface DatagramSocketOptions {
  readonly address: SocketAddress;
  /** Size that the buffers should have. */
  readonly bufferBytes: number;
  readonly gro: boolean;
}

/** A bound socket. */
export interface DatagramSocket {
  readonly fd: number;
  /** AF_INET6, dual-stack unless bound to one address. */
  readonly ipv6: boolean;
  /** As bound: the port is the real one where 0 was asked. */
  readonly address: SocketAddress;
  /** What the kernel granted, as usable bytes; less than asked without CAP_NET_ADMIN. */
  readonly receiveBufferBytes: number;
  readonly sendBufferBytes: number;
  readonly gro: boolean;
}

/**
 * Binds a worker's socket. An IPv6 address gives a dual-stack socket (`::` takes IPv4 as well).
 *
 * @throws SystemError address-in-use, address-unavailable, no-permission, not-supported, system
 */
export function openDatagramSocket(options: DatagramSocketOptions): DatagramSocket {
  const ipv6 = options.address.ip.includes(':');
  const fd = libc.socket(ipv6 ? AF_INET6 : AF_INET, SOCK_DGRAM_NONBLOCK_CLOEXEC, 0);
  if (fd < 0) {
    const number = errno();
    if (number !== ERRNO.EAFNOSUPPORT) throw unexpectedError('make a datagram socket', number);
    const todo = 'listen on an IPv4 address such as 0.0.0.0';
    throw new SystemError('not-supported', number, `this kernel has no ${ipv6 ? 'IPv6' : 'IPv4'}: ${todo}`);
  }
  try {
    setFamilyOptions(fd, ipv6);
    const gro = options.gro && setOption(fd, SOL_UDP, UDP_GRO, 1);
    return {
      fd,
      ipv6,
      address: bindSocket(fd, ipv6, options.address),
      receiveBufferBytes: setBuffer(fd, SO_RCVBUFFORCE, SO_RCVBUF, options.bufferBytes),
      sendBufferBytes: setBuffer(fd, SO_SNDBUFFORCE, SO_SNDBUF, options.bufferBytes),
      gro,
    };
  } catch (error) {
    libc.close(fd);
    throw error;
  }
}

/** Sets an option of four bytes. */
export function setOption(fd: number, level: number, name: number, value: number): boolean {
  const option = allocateNative(8);
  option.i32[0] = value;
  return libc.setsockopt(fd, level, name, option.address, 4) === 0;
}

/** Reads an option of four bytes, or -1. */
export function getOption(fd: number, level: number, name: number): number {
  const option = allocateNative(16);
  option.u32[2] = 4;
  return libc.getsockopt(fd, level, name, option.address, option.address + 8) === 0
    ? (option.i32[0] ?? -1)
    : -1;
}

function setFamilyOptions(fd: number, ipv6: boolean): void {
  if (ipv6) {
    setOption(fd, SOL_IPV6, IPV6_V6ONLY, 0);
    setOption(fd, SOL_IPV6, IPV6_MTU_DISCOVER, PMTUDISC_PROBE);
    setOption(fd, SOL_IPV6, IPV6_RECVPKTINFO, 1);
  } else {
    setOption(fd, SOL_IP, IP_PKTINFO, 1);
  }
  // A dual-stack socket sends IPv4 by the IPv4 option.
  setOption(fd, SOL_IP, IP_MTU_DISCOVER, PMTUDISC_PROBE);
}

/** The kernel doubles what it is asked and reports the doubled value: half of it is what datagrams may fill. */
function setBuffer(fd: number, force: number, plain: number, bytes: number): number {
  if (!setOption(fd, SOL_SOCKET, force, bytes)) setOption(fd, SOL_SOCKET, plain, bytes);
  return getOption(fd, SOL_SOCKET, plain) / 2;
}

function bindSocket(fd: number, ipv6: boolean, address: SocketAddress): SocketAddress {
  const memory = allocateNative(40);
  const length = encodeSocketAddress(address, ipv6, memory.bytes, 0);
  if (libc.bind(fd, memory.address, length) !== 0) throw bindError(address, errno());
  memory.u32[8] = SOCKADDR_IN6_BYTES;
  if (libc.getsockname(fd, memory.address, memory.address + 32) !== 0) {
    throw unexpectedError('read the datagram socket address', errno());
  }
  return decodeSocketAddress(memory.bytes, 0, memory.u32[8]) ?? address;
}

function bindError(address: SocketAddress, number: number): SystemError {
  const where = address.ip.includes(':')
    ? `[${address.ip}]:${address.port}`
    : `${address.ip}:${address.port}`;
  if (number === ERRNO.EADDRINUSE) {
    const todo = 'another program, or another daemon, has it; choose another listen.datagram.port';
    return new SystemError('address-in-use', number, `datagram port ${where} is in use: ${todo}`);
  }
  if (number === ERRNO.EADDRNOTAVAIL) {
    const todo = 'no interface has that address; use 0.0.0.0 or :: for all of them';
    return new SystemError('address-unavailable', number, `cannot listen on ${where}: ${todo}`);
  }
  if (number === ERRNO.EACCES) {
    const todo = 'ports below 1024 need root, or CAP_NET_BIND_SERVICE';
    return new SystemError('no-permission', number, `cannot listen on ${where}: ${todo}`);
  }
  return unexpectedError(`bind the datagram socket to ${where}`, number);
}
