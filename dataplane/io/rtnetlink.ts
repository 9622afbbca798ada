/**
 * Sets interfaces up through route netlink, as `ip link` and `ip address` do. Main thread; each request is one send
 * and one receive, and the kernel answers at once.
 *
 * @see RFC 3549
 */
import { isIPv4 } from 'node:net';
import { errno, libc } from './libc.ts';
import { allocateNative, type NativeMemory } from './native-memory.ts';
import {
  type NetlinkReply,
  NetlinkRequest,
  NLM_F_ACK,
  NLM_F_CREATE,
  NLM_F_REPLACE,
  RTM_DELADDR,
  RTM_GETLINK,
  RTM_NEWADDR,
  RTM_NEWLINK,
  readNetlinkReply,
} from './netlink-message.ts';
import { AF_INET, AF_INET6, encodeIp } from './sockaddr.ts';
import { ERRNO, errnoName, SystemError, type SystemErrorCode, unexpectedError } from './system-error.ts';
import { requireInterfaceName } from './tap-device.ts';

const AF_NETLINK = 16;
const SOCK_RAW_CLOEXEC = 0o2000003;
const NETLINK_ROUTE = 0;
const SOL_SOCKET = 1;
const SO_RCVTIMEO = 20;
const SOL_NETLINK = 270;
const NETLINK_EXT_ACK = 11;
const RECEIVE_TIMEOUT_SECONDS = 2;
const REPLY_BYTES = 16_384;

const IFF_UP = 1;
const IFLA_ADDRESS = 1;
const IFLA_IFNAME = 3;
const IFLA_MTU = 4;
const IFLA_TXQLEN = 13;
const IFLA_GSO_MAX_SIZE = 41;
const IFA_ADDRESS = 1;
const IFA_LOCAL = 2;

/** What to change of an interface; what is left out stays. */
export interface LinkChange {
  readonly up?: boolean;
  readonly mtuBytes?: number;
  /** Six bytes. */
  readonly mac?: Uint8Array;
  /** Frames that wait for the reader, per queue. */
  readonly transmitQueueFrames?: number;
  /** Largest super-frame that the kernel hands over, headers included; at most 65,536. */
  readonly superFrameBytes?: number;
}

/** An interface address such as 10.7.0.1/24. */
export interface InterfaceAddress {
  readonly ip: string;
  readonly prefixBits: number;
}

/** A netlink socket; close it when set-up is over. */
export class RouteNetlink {
  readonly #fd: number;
  readonly #request: NativeMemory = allocateNative(512);
  readonly #reply: NativeMemory = allocateNative(REPLY_BYTES);
  #sequence = 0;

  /** @throws SystemError */
  constructor() {
    this.#fd = libc.socket(AF_NETLINK, SOCK_RAW_CLOEXEC, NETLINK_ROUTE);
    if (this.#fd < 0) throw unexpectedError('open a netlink socket', errno());
    const option = allocateNative(16);
    option.u32[0] = RECEIVE_TIMEOUT_SECONDS;
    libc.setsockopt(this.#fd, SOL_SOCKET, SO_RCVTIMEO, option.address, 16);
    option.u32[0] = 1;
    libc.setsockopt(this.#fd, SOL_NETLINK, NETLINK_EXT_ACK, option.address, 4);
  }

  /**
   * Number of an interface.
   *
   * @throws SystemError no-such-interface
   */
  linkIndex(name: string): number {
    requireInterfaceName(name);
    const request = this.#begin(RTM_GETLINK, 0)
      .linkPart(0, 0, 0)
      .attribute(IFLA_IFNAME, Buffer.from(`${name}\0`));
    const reply = this.#exchange(request);
    if (reply.error === undefined) return reply.linkIndex;
    if (reply.error === ERRNO.ENODEV) {
      throw new SystemError('no-such-interface', reply.error, `there is no interface ${name}`);
    }
    throw refusal(`look interface ${name} up`, reply);
  }

  /**
   * Changes an interface.
   *
   * @throws SystemError no-such-interface, no-permission, value-refused, system
   */
  changeLink(name: string, change: LinkChange): void {
    const index = this.linkIndex(name);
    const flags = change.up === undefined ? 0 : IFF_UP;
    const request = this.#begin(RTM_NEWLINK, NLM_F_ACK).linkPart(
      index,
      change.up === true ? IFF_UP : 0,
      flags,
    );
    if (change.mac !== undefined) request.attribute(IFLA_ADDRESS, change.mac);
    if (change.mtuBytes !== undefined) request.attributeU32(IFLA_MTU, change.mtuBytes);
    if (change.transmitQueueFrames !== undefined)
      request.attributeU32(IFLA_TXQLEN, change.transmitQueueFrames);
    if (change.superFrameBytes !== undefined) request.attributeU32(IFLA_GSO_MAX_SIZE, change.superFrameBytes);
    this.#require(request, `change interface ${name}`);
  }

  /**
   * Adds an address, or replaces it when it is there with another prefix.
   *
   * @throws SystemError no-such-interface, no-permission, value-refused, address-exists, system
   */
  addAddress(name: string, address: InterfaceAddress): void {
    const request = this.#addressRequest(
      RTM_NEWADDR,
      NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE,
      name,
      address,
    );
    this.#require(request, `add ${address.ip}/${address.prefixBits} to ${name}`);
  }

  /** Removes an address; one that is not there is no error. */
  removeAddress(name: string, address: InterfaceAddress): void {
    const reply = this.#exchange(this.#addressRequest(RTM_DELADDR, NLM_F_ACK, name, address));
    if (reply.error === 0 || reply.error === ERRNO.EADDRNOTAVAIL) return;
    throw refusal(`remove ${address.ip}/${address.prefixBits} from ${name}`, reply);
  }

  close(): void {
    libc.close(this.#fd);
  }

  #addressRequest(type: number, flags: number, name: string, address: InterfaceAddress): NetlinkRequest {
    const ipv6 = !isIPv4(address.ip);
    const bytes = encodeIp(address.ip, ipv6);
    return this.#begin(type, flags)
      .addressPart(ipv6 ? AF_INET6 : AF_INET, address.prefixBits, this.linkIndex(name))
      .attribute(IFA_LOCAL, bytes)
      .attribute(IFA_ADDRESS, bytes);
  }

  #begin(type: number, flags: number): NetlinkRequest {
    return new NetlinkRequest(type, flags, ++this.#sequence);
  }

  #require(request: NetlinkRequest, doing: string): void {
    const reply = this.#exchange(request);
    if (reply.error !== 0) throw refusal(doing, reply);
  }

  #exchange(request: NetlinkRequest): NetlinkReply {
    const sequence = this.#sequenceOf(request);
    this.#request.bytes.set(request.bytes.subarray(0, request.length));
    if (libc.send(this.#fd, this.#request.address, request.length, 0) < 0) {
      throw unexpectedError('ask the kernel over netlink', errno());
    }
    for (;;) {
      const received = libc.recv(this.#fd, this.#reply.address, REPLY_BYTES, 0);
      if (received < 0 && errno() === ERRNO.EINTR) continue;
      if (received < 0) throw unexpectedError('read the kernel answer over netlink', errno());
      const reply = readNetlinkReply(this.#reply.bytes.subarray(0, received));
      // An answer to an earlier request that timed out may still be queued.
      if (reply !== undefined && reply.sequence === sequence) return reply;
    }
  }

  #sequenceOf(request: NetlinkRequest): number {
    return new DataView(request.bytes.buffer).getUint32(8, true);
  }
}

const REFUSALS: readonly (readonly [number, SystemErrorCode, string])[] = [
  [ERRNO.EPERM, 'no-permission', 'not permitted: run as root, or give the process CAP_NET_ADMIN'],
  [ERRNO.EACCES, 'not-supported', 'refused; for an IPv6 address: IPv6 is off there (sysctl disable_ipv6)'],
  [ERRNO.ENODEV, 'no-such-interface', 'the interface is gone'],
  [ERRNO.EEXIST, 'address-exists', 'it is there already'],
  [ERRNO.EADDRNOTAVAIL, 'address-unavailable', 'no such address can be used: a unicast address is needed'],
  [ERRNO.EINVAL, 'value-refused', 'the kernel refuses the value'],
  [ERRNO.ERANGE, 'value-refused', 'the value is out of range'],
  [ERRNO.EBUSY, 'value-refused', 'the interface is busy'],
];

function refusal(doing: string, reply: NetlinkReply): SystemError {
  const number = reply.error ?? 0;
  const detail = reply.explanation === undefined ? '' : ` (${reply.explanation})`;
  const known = REFUSALS.find(([candidate]) => candidate === number);
  if (known === undefined)
    return new SystemError('system', number, `could not ${doing}: ${errnoName(number)}${detail}`);
  return new SystemError(known[1], number, `could not ${doing}: ${known[2]}${detail}`);
}
