/**
 * Route-netlink messages as bytes: header, family part, attributes; and the kernel's acknowledgement. Main thread.
 *
 *   nlmsghdr   length u32 │ type u16 │ flags u16 │ sequence u32 │ port u32
 *   attribute  length u16 │ type u16 │ value, padded to 4
 *
 * @see RFC 3549 §2.2; linux/netlink.h, linux/rtnetlink.h
 */

const HEADER_BYTES = 16;
const REQUEST_BYTES = 512;

export const NLM_F_REQUEST = 0x1;
export const NLM_F_ACK = 0x4;
export const NLM_F_REPLACE = 0x100;
export const NLM_F_CREATE = 0x400;

export const RTM_NEWLINK = 16;
export const RTM_GETLINK = 18;
export const RTM_NEWADDR = 20;
export const RTM_DELADDR = 21;
const NLMSG_ERROR = 2;
const NLM_F_CAPPED = 0x100;
const NLM_F_ACK_TLVS = 0x200;
const NLMSGERR_ATTR_MSG = 1;

/** Builds one request. */
export class NetlinkRequest {
  readonly bytes = new Uint8Array(REQUEST_BYTES);
  readonly #view = new DataView(this.bytes.buffer);
  #length = HEADER_BYTES;

  constructor(type: number, flags: number, sequence: number) {
    this.#view.setUint16(4, type, true);
    this.#view.setUint16(6, flags | NLM_F_REQUEST, true);
    this.#view.setUint32(8, sequence, true);
  }

  /** Bytes to send; the header says so too. */
  get length(): number {
    return this.#length;
  }

  /** ifinfomsg: family, type, index, flags, change. */
  linkPart(index: number, flags: number, change: number): this {
    const at = this.#grow(16);
    this.#view.setInt32(at + 4, index, true);
    this.#view.setUint32(at + 8, flags, true);
    this.#view.setUint32(at + 12, change, true);
    return this;
  }

  /** ifaddrmsg: family, prefix length, flags, scope, index. */
  addressPart(family: number, prefixBits: number, index: number): this {
    const at = this.#grow(8);
    this.bytes[at] = family;
    this.bytes[at + 1] = prefixBits;
    this.#view.setUint32(at + 4, index, true);
    return this;
  }

  attribute(type: number, value: Uint8Array): this {
    const at = this.#grow(4 + value.length);
    this.#view.setUint16(at, 4 + value.length, true);
    this.#view.setUint16(at + 2, type, true);
    this.bytes.set(value, at + 4);
    return this;
  }

  attributeU32(type: number, value: number): this {
    const bytes = new Uint8Array(4);
    new DataView(bytes.buffer).setUint32(0, value, true);
    return this.attribute(type, bytes);
  }

  #grow(size: number): number {
    const at = this.#length;
    this.#length = at + Math.ceil(size / 4) * 4;
    this.#view.setUint32(0, this.#length, true);
    return at;
  }
}

/** What the kernel answered: an acknowledgement (error 0), a refusal, or a message. */
export interface NetlinkReply {
  readonly sequence: number;
  /** errno, positive; 0 for success; undefined when it is a message of data. */
  readonly error: number | undefined;
  /** The kernel's own explanation, when it gave one. */
  readonly explanation: string | undefined;
  /** Of a link message. */
  readonly linkIndex: number;
}

/**
 * Reads the first message of a reply.
 *
 * @returns undefined when it is cut short
 */
export function readNetlinkReply(bytes: Uint8Array): NetlinkReply | undefined {
  if (bytes.length < HEADER_BYTES + 4) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const length = Math.min(view.getUint32(0, true), bytes.length);
  const sequence = view.getUint32(8, true);
  if (view.getUint16(4, true) !== NLMSG_ERROR) {
    const linkIndex = length >= HEADER_BYTES + 8 ? view.getInt32(HEADER_BYTES + 4, true) : 0;
    return { sequence, error: undefined, explanation: undefined, linkIndex };
  }
  const error = Math.abs(view.getInt32(HEADER_BYTES, true));
  return { sequence, error, explanation: readExplanation(view, length), linkIndex: 0 };
}

/** The extended acknowledgement follows the request's copy, of which only the header remains when capped. */
function readExplanation(view: DataView, length: number): string | undefined {
  const flags = view.getUint16(6, true);
  const copyAt = HEADER_BYTES + 4;
  if ((flags & NLM_F_ACK_TLVS) === 0 || length < copyAt + HEADER_BYTES) return undefined;
  const copied = (flags & NLM_F_CAPPED) === 0 ? view.getUint32(copyAt, true) : HEADER_BYTES;
  let at = copyAt + Math.ceil(copied / 4) * 4;
  while (at + 4 <= length) {
    const size = view.getUint16(at, true);
    if (size < 4 || at + size > length) return undefined;
    if (view.getUint16(at + 2, true) === NLMSGERR_ATTR_MSG) {
      const text = new Uint8Array(view.buffer, view.byteOffset + at + 4, size - 4);
      return new TextDecoder().decode(text).replace(/\0+$/, '');
    }
    at += Math.ceil(size / 4) * 4;
  }
  return undefined;
}
