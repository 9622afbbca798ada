/**
 * The Internet checksum (RFC 1071), over a DataView. Any thread; pure. A "sum" here is a folded one's complement sum
 * of 16 bits in network order; 0 only when every byte was 0. Sums of parts that start at even distances add up.
 */
import { type FrameView, IPV4, IPV4_HEADER_BYTES, IPV6, IPV6_HEADER_BYTES } from './frame-view.ts';

/**
 * Sums `length` bytes at `offset`; an odd last byte counts as the upper half of a word.
 *
 * The words are added as they lie in memory, four bytes at a time: a one's complement sum does not mind the byte
 * order until the end (RFC 1071 §2 B), and 65,535 bytes stay far below 2^53.
 *
 * @param length - at most 131,072
 */
export function sumBytes(bytes: DataView, offset: number, length: number): number {
  const end = offset + length;
  let sum = 0;
  let at = offset;
  for (; at + 4 <= end; at += 4) sum += bytes.getUint32(at, true);
  if (at + 2 <= end) {
    sum += bytes.getUint16(at, true);
    at += 2;
  }
  if (at < end) sum += bytes.getUint8(at);
  const upper = Math.floor(sum / 0x1_0000);
  const folded = fold(upper + (sum - upper * 0x1_0000));
  return ((folded & 0xff) << 8) | (folded >>> 8);
}

/** Adds two sums. */
export function addSums(left: number, right: number): number {
  return fold(left + right);
}

/** The checksum that makes the whole sum up to 0xffff. */
export function checksumOf(sum: number): number {
  return ~sum & 0xffff;
}

/**
 * Sum of the pseudo-header of a parsed frame: addresses, protocol, and the transport's length.
 *
 * @param view - with ipVersion 4 or 6
 * @param protocol - PROTOCOL_TCP or PROTOCOL_UDP
 * @param length - transport header and payload, in bytes
 * @see RFC 9293 §3.1, RFC 8200 §8.1
 */
export function pseudoHeaderSum(bytes: DataView, view: FrameView, protocol: number, length: number): number {
  const addresses =
    view.ipVersion === 4
      ? sumBytes(bytes, view.network + IPV4.source, 8)
      : sumBytes(bytes, view.network + IPV6.source, 32);
  return fold(addresses + protocol + length);
}

/** Whether the TCP or UDP checksum of a parsed frame is right. A UDP checksum of 0 (none) is not. */
export function transportChecksumHolds(bytes: DataView, view: FrameView): boolean {
  const length = view.payloadEnd - view.transport;
  const pseudo = pseudoHeaderSum(bytes, view, view.protocol, length);
  return addSums(pseudo, sumBytes(bytes, view.transport, length)) === 0xffff;
}

/** Writes the header checksum of an IPv4 header of `headerBytes` at `ip`. */
export function writeIpv4Checksum(bytes: DataView, ip: number, headerBytes: number): void {
  bytes.setUint16(ip + IPV4.checksum, 0);
  bytes.setUint16(ip + IPV4.checksum, checksumOf(sumBytes(bytes, ip, headerBytes)));
}

/** Whether an IPv4 header without options sums up. */
export function ipv4ChecksumHolds(bytes: DataView, ip: number): boolean {
  return sumBytes(bytes, ip, IPV4_HEADER_BYTES) === 0xffff;
}

/** Writes the IP length field of the packet at `ip` so that it ends at `end`; the IPv4 checksum is the caller's. */
export function writeIpLength(bytes: DataView, ipVersion: number, ip: number, end: number): void {
  if (ipVersion === 4) bytes.setUint16(ip + IPV4.length, end - ip);
  else bytes.setUint16(ip + IPV6.length, end - ip - IPV6_HEADER_BYTES);
}

function fold(sum: number): number {
  let folded = sum;
  while (folded > 0xffff) {
    const upper = Math.floor(folded / 0x1_0000);
    folded = upper + (folded - upper * 0x1_0000);
  }
  return folded;
}
