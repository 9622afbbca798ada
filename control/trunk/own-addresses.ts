/**
 * This node's own addresses, as its Hellos tell them, and whether a change of them is one of place.
 *
 * Main thread, pure.
 */
import type { SetAddressesInput } from './trunk-port.ts';

/** Of the addresses in a Hello as many may lead through relays. */
const CIRCUITS_MAX = 3;

/** @returns whether an address leads through a relay */
export function isCircuitAddress(address: string): boolean {
  return address.includes('/p2p-circuit');
}

/** @returns the addresses to tell, some of each kind if there are too many */
export function toldListen(listen: readonly string[], max: number): string[] {
  const circuits = listen.filter(isCircuitAddress).slice(0, CIRCUITS_MAX);
  const direct = listen.filter((address) => !isCircuitAddress(address));
  return [...direct.slice(0, max - circuits.length), ...circuits];
}

/** Only the relays through which this node can be reached are others: its own place is the same. */
export function isCircuitChange(before: SetAddressesInput | undefined, after: SetAddressesInput): boolean {
  if (before === undefined) {
    return false;
  }
  const place = ({ datagram, datagramPort, listen }: SetAddressesInput): string =>
    JSON.stringify([datagram, datagramPort, listen.filter((address) => !isCircuitAddress(address))]);
  return place(before) === place(after) && before.listen.join() !== after.listen.join();
}
