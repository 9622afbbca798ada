/** MAC addresses as people read them: `02:00:00:00:00:01`. Pure. */

/** Six bytes in hexadecimal, in lower case. */
export const MAC_TEXT = /^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/;

/** The text of 6 bytes. */
export function formatMac(mac: Uint8Array): string {
  return [...mac].map((byte) => byte.toString(16).padStart(2, '0')).join(':');
}

/** @returns undefined when the text is no {@link MAC_TEXT} */
export function parseMac(text: string): Uint8Array | undefined {
  if (!MAC_TEXT.test(text)) return undefined;
  return Uint8Array.from(text.split(':'), (digits) => Number.parseInt(digits, 16));
}
