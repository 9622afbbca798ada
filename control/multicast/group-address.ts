/**
 * Multicast groups as IP addresses and as MAC addresses, and which of them are never pruned.
 *
 *   IPv4   01:00:5e ‖ lowest 23 bits     (RFC 1112 section 6.4): 32 groups share an address
 *   IPv6   33:33 ‖ lowest 32 bits        (RFC 2464 section 7)
 *
 * Main thread; pure.
 */

const IPV4_BYTES = 4;
const MAC_BYTES = 6;
const SCOPE_INTERFACE = 1;

/**
 * Stands for every group: who wants them all announces the multicast token of this address. No group has it, since it
 * is neither of IPv4's nor of IPv6's.
 */
export const ALL_GROUPS_MAC: Uint8Array = Uint8Array.of(0x01, 0, 0, 0, 0, 0);

/** The address that frames to a group are sent to. @param group - 4 or 16 bytes */
export function groupMac(group: Uint8Array): Uint8Array {
  const mac = new Uint8Array(MAC_BYTES);
  if (group.length === IPV4_BYTES) {
    mac.set([0x01, 0, 0x5e, (group[1] ?? 0) & 0x7f, group[2] ?? 0, group[3] ?? 0]);
  } else {
    mac.set([0x33, 0x33]);
    mac.set(group.subarray(12, 16), 2);
  }
  return mac;
}

/** Whether an address is a group's. @param address - 4 or 16 bytes */
export function isGroup(address: Uint8Array): boolean {
  const first = address[0] ?? 0;
  return address.length === IPV4_BYTES ? first >> 4 === 0xe : first === 0xff;
}

/**
 * Whether frames to a group go to everybody, asked for or not: the link-local groups, which hosts need not report
 * (RFC 4541 sections 2.1.2 and 3), and those that share a MAC address with IPv4's. Neighbour discovery is among them.
 *
 * @param group - 4 or 16 bytes
 */
export function isAlwaysFlooded(group: Uint8Array): boolean {
  if (group.length === IPV4_BYTES) {
    return ((group[1] ?? 0) & 0x7f) === 0 && group[2] === 0;
  }
  const second = group[1] ?? 0;
  return second === 0x02 || (second & 0x0f) <= SCOPE_INTERFACE;
}

/** Whether an IPv6 address may only be used on its link. */
export function isLinkLocal(address: Uint8Array): boolean {
  return address[0] === 0xfe && ((address[1] ?? 0) & 0xc0) === 0x80;
}

/** Whether an address is 0.0.0.0 or `::`. */
export function isUnspecified(address: Uint8Array): boolean {
  return address.every((byte) => byte === 0);
}
