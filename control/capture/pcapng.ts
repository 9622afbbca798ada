/**
 * Writes a capture of one interface as pcapng, block by block.
 *
 *   section header │ interface description (ns, name) │ enhanced packet … │ interface statistics
 *
 *   block: type u32 │ length u32 │ body, padded to 4 │ length u32           little-endian
 *
 * Main thread; pure.
 *
 * @see draft-ietf-opsawg-pcapng-02 §4
 */
import type { CapturedFrame } from './capture-port.ts';

const SECTION_HEADER = 0x0a0d_0d0a;
const INTERFACE_DESCRIPTION = 1;
const INTERFACE_STATISTICS = 5;
const ENHANCED_PACKET = 6;

const BYTE_ORDER_MAGIC = 0x1a2b_3c4d;
const LINKTYPE_ETHERNET = 1;
/** Powers of ten: nanoseconds. */
const NANOSECONDS = 9;

const END_OF_OPTIONS = 0;
const SHB_USERAPPL = 4;
const IF_NAME = 2;
const IF_TSRESOL = 9;
const EPB_FLAGS = 2;
const ISB_IFRECV = 4;
const ISB_IFDROP = 5;

const FLAG_INBOUND = 1;
const FLAG_OUTBOUND = 2;
const TWO_32 = 2 ** 32;
/** Header and trailer of a block. */
const FRAME_BYTES = 12;
const PACKET_FIXED_BYTES = 20;
/** The flags' option, and the end of options. */
const PACKET_OPTION_BYTES = 12;

type Option = readonly [code: number, value: Uint8Array];

/** What a file begins with: who wrote it, and from which interface. */
export function pcapngHead(source: {
  readonly application: string;
  readonly interfaceName: string;
  readonly snapBytes: number;
}): Uint8Array {
  const section = new Uint8Array(16);
  const view = new DataView(section.buffer);
  view.setUint32(0, BYTE_ORDER_MAGIC, true);
  view.setUint16(4, 1, true);
  // Its length is not known before its end.
  view.setBigInt64(8, -1n, true);
  const described = new Uint8Array(8);
  const description = new DataView(described.buffer);
  description.setUint16(0, LINKTYPE_ETHERNET, true);
  description.setUint32(4, source.snapBytes, true);
  return Buffer.concat([
    block(SECTION_HEADER, section, [[SHB_USERAPPL, text(source.application)]]),
    block(INTERFACE_DESCRIPTION, described, [
      [IF_NAME, text(source.interfaceName)],
      [IF_TSRESOL, Uint8Array.of(NANOSECONDS)],
    ]),
  ]);
}

/** One frame. */
export function pcapngPacket(frame: CapturedFrame): Uint8Array {
  const padded = (frame.bytes.length + 3) & ~3;
  const size = FRAME_BYTES + PACKET_FIXED_BYTES + padded + PACKET_OPTION_BYTES;
  const bytes = new Uint8Array(size);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, ENHANCED_PACKET, true);
  view.setUint32(4, size, true);
  setTime(view, 12, frame.seconds, frame.nanoseconds);
  view.setUint32(20, frame.bytes.length, true);
  view.setUint32(24, frame.originalBytes, true);
  bytes.set(frame.bytes, 28);
  const options = 28 + padded;
  view.setUint16(options, EPB_FLAGS, true);
  view.setUint16(options + 2, 4, true);
  view.setUint32(options + 4, frame.isOutgoing ? FLAG_OUTBOUND : FLAG_INBOUND, true);
  view.setUint32(size - 4, size, true);
  return bytes;
}

/** What a file ends with: what passed, and what of it is not in the file. */
export function pcapngStatistics(totals: {
  readonly unixMs: number;
  readonly received: number;
  readonly dropped: number;
}): Uint8Array {
  const body = new Uint8Array(12);
  const seconds = Math.floor(totals.unixMs / 1000);
  const nanoseconds = Math.floor((totals.unixMs - seconds * 1000) * 1_000_000);
  setTime(new DataView(body.buffer), 4, seconds, nanoseconds);
  return block(INTERFACE_STATISTICS, body, [
    [ISB_IFRECV, u64(totals.received)],
    [ISB_IFDROP, u64(totals.dropped)],
  ]);
}

function block(type: number, body: Uint8Array, options: readonly Option[]): Uint8Array {
  const optionBytes = options.reduce((sum, [, value]) => sum + 4 + ((value.length + 3) & ~3), 4);
  const size = FRAME_BYTES + body.length + optionBytes;
  const bytes = new Uint8Array(size);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, type, true);
  view.setUint32(4, size, true);
  bytes.set(body, 8);
  let at = 8 + body.length;
  for (const [code, value] of options) {
    view.setUint16(at, code, true);
    view.setUint16(at + 2, value.length, true);
    bytes.set(value, at + 4);
    at += 4 + ((value.length + 3) & ~3);
  }
  view.setUint16(at, END_OF_OPTIONS, true);
  view.setUint32(size - 4, size, true);
  return bytes;
}

/** Nanoseconds since 1970 as two words, the higher first. */
function setTime(view: DataView, at: number, seconds: number, nanoseconds: number): void {
  const time = BigInt(seconds) * 1_000_000_000n + BigInt(nanoseconds);
  view.setUint32(at, Number(time >> 32n), true);
  view.setUint32(at + 4, Number(time & 0xffff_ffffn), true);
}

function u64(value: number): Uint8Array {
  const bytes = new Uint8Array(8);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, value % TWO_32, true);
  view.setUint32(4, Math.floor(value / TWO_32), true);
  return bytes;
}

function text(value: string): Uint8Array {
  return new TextEncoder().encode(value);
}
