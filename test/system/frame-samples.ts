/**
 * Owns Ethernet frames that tests send as raw bytes. Pure.
 */

/** Priority 0, VLAN 5. @see IEEE 802.1Q §9.6 */
export const VLAN_TAG = '81000005';

/** A service tag, VLAN 6. @see IEEE 802.1Q §9.6 */
export const QINQ_TAG = '88a80006';

const ADDRESS_BYTES = 12;

/**
 * Makes frames of one size.
 *
 * @param addresses - in hexadecimal, 12 digits each
 * @param headers - tags and the EtherType, in hexadecimal
 * @param size - of the whole frame in bytes; the least that holds the marker when smaller
 * @returns a function from a marker, in hexadecimal, to the frame; every byte behind the marker counts up
 */
export function ethernetFrame(
  addresses: { readonly destination: string; readonly source: string },
  headers: readonly string[],
  size: number,
): (marker: string) => Buffer {
  return (marker) => {
    const head = Buffer.from(addresses.destination + addresses.source + headers.join('') + marker, 'hex');
    const frame = Buffer.alloc(Math.max(size, head.length, ADDRESS_BYTES));
    for (let at = head.length; at < frame.length; at++) frame[at] = at & 0xff;
    head.copy(frame);
    return frame;
  };
}
