/**
 * Whether the machine has an address by which it can reach another one.
 *
 * Main thread. Loopback, link-local addresses and those of our own TAP interfaces are none.
 */
import type { networkInterfaces } from 'node:os';

/** @param ownInterfaces - names of our TAP interfaces */
export function hasNetwork(
  interfaces: ReturnType<typeof networkInterfaces>,
  ownInterfaces: ReadonlySet<string>,
): boolean {
  return Object.entries(interfaces).some(
    ([name, addresses]) =>
      !ownInterfaces.has(name) &&
      (addresses ?? []).some(({ internal, address }) => !internal && !isLinkLocal(address)),
  );
}

/** RFC 3927 and RFC 4291 §2.5.6. */
function isLinkLocal(address: string): boolean {
  return address.startsWith('169.254.') || /^fe[89ab]/i.test(address);
}
