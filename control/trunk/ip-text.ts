/**
 * IP addresses between their bytes and their one text form (RFC 5952).
 *
 * Main thread, pure. Addresses from a peer are compared as text, so each address must have exactly one form;
 * an IPv4-mapped IPv6 address becomes the IPv4 address that it stands for. Never throws.
 */

const IPV4_BYTES = 4;
const IPV6_BYTES = 16;

/** @returns the address in canonical text, or undefined when there are neither 4 nor 16 bytes */
export function ipFromBytes(bytes: Uint8Array): string | undefined {
  if (bytes.length === IPV4_BYTES) {
    return bytes.join('.');
  }
  if (bytes.length !== IPV6_BYTES) {
    return undefined;
  }
  const isMapped =
    bytes.subarray(0, 10).every((byte) => byte === 0) && bytes[10] === 0xff && bytes[11] === 0xff;
  return isMapped ? bytes.subarray(12).join('.') : ipv6Text(bytes);
}

/** @returns 4 or 16 bytes, or undefined when the text is no IP address (a zone is not accepted) */
export function ipToBytes(text: string): Uint8Array | undefined {
  if (!text.includes(':')) {
    return parseIpv4(text);
  }
  const lastColon = text.lastIndexOf(':');
  const tail = text.slice(lastColon + 1);
  if (!tail.includes('.')) {
    return unmap(parseIpv6(text));
  }
  const v4 = parseIpv4(tail);
  if (v4 === undefined) {
    return undefined;
  }
  const high = (((v4[0] ?? 0) << 8) | (v4[1] ?? 0)).toString(16);
  const low = (((v4[2] ?? 0) << 8) | (v4[3] ?? 0)).toString(16);
  return unmap(parseIpv6(`${text.slice(0, lastColon + 1)}${high}:${low}`));
}

/** @returns the canonical text of an address in any accepted form, or undefined */
export function canonicalIp(text: string): string | undefined {
  const bytes = ipToBytes(text);
  return bytes === undefined ? undefined : ipFromBytes(bytes);
}

/** @returns whether it may be one machine's address beyond its own link: no group, loopback, link-local or unspecified one */
export function isUnicastIp(text: string): boolean {
  const bytes = ipToBytes(text);
  if (bytes === undefined) {
    return false;
  }
  const [first = 0, second = 0] = bytes;
  if (bytes.length === IPV4_BYTES) {
    return first !== 0 && first !== 127 && first < 224 && !(first === 169 && second === 254);
  }
  const isLow = bytes.subarray(0, 15).every((byte) => byte === 0);
  return !isLow && first !== 0xff && !(first === 0xfe && (second & 0xc0) === 0x80);
}

function unmap(bytes: Uint8Array | undefined): Uint8Array | undefined {
  const isMapped =
    bytes !== undefined &&
    bytes.subarray(0, 10).every((byte) => byte === 0) &&
    bytes[10] === 0xff &&
    bytes[11] === 0xff;
  return isMapped ? bytes.slice(12) : bytes;
}

function parseIpv4(text: string): Uint8Array | undefined {
  const parts = text.split('.');
  if (
    parts.length !== IPV4_BYTES ||
    !parts.every((part) => /^(0|[1-9]\d{0,2})$/.test(part) && Number(part) <= 255)
  ) {
    return undefined;
  }
  return Uint8Array.from(parts, Number);
}

function parseIpv6(text: string): Uint8Array | undefined {
  const halves = text.split('::');
  if (halves.length > 2) {
    return undefined;
  }
  const head = halves[0] === '' ? [] : (halves[0] ?? '').split(':');
  const tail = halves[1] === undefined || halves[1] === '' ? [] : halves[1].split(':');
  const missing = 8 - head.length - tail.length;
  const groups =
    halves.length === 2 ? [...head, ...Array<string>(Math.max(missing, 0)).fill('0'), ...tail] : head;
  if (
    groups.length !== 8 ||
    (halves.length === 2 && missing < 1) ||
    !groups.every((group) => /^[0-9a-f]{1,4}$/i.test(group))
  ) {
    return undefined;
  }
  return Uint8Array.from(
    groups.flatMap((group) => [Number.parseInt(group, 16) >> 8, Number.parseInt(group, 16) & 0xff]),
  );
}

/** RFC 5952 §4.2: the longest run of two or more zero groups, the first of equals, becomes `::`. */
function ipv6Text(bytes: Uint8Array): string {
  const groups = Array.from(
    { length: 8 },
    (_, index) => ((bytes[2 * index] ?? 0) << 8) | (bytes[2 * index + 1] ?? 0),
  );
  let best = { start: 0, count: 0 };
  for (let start = 0; start < 8; start++) {
    let count = 0;
    while (start + count < 8 && groups[start + count] === 0) {
      count++;
    }
    if (count > best.count) {
      best = { start, count };
    }
  }
  const hex = groups.map((group) => group.toString(16));
  if (best.count < 2) {
    return hex.join(':');
  }
  return `${hex.slice(0, best.start).join(':')}::${hex.slice(best.start + best.count).join(':')}`;
}
