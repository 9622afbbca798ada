/**
 * The body of a probe (kind 5), the plaintext that the lane's k4 seals.
 *
 * Main thread, pure.
 *
 *   0  operation  u8       1 ask · 2 answer
 *   1  family     u8       of the observed address at 32: 4, 6, or 0 for none; in answers
 *   2  reserved   u8[2]    0; not read
 *   4  sequence   u32      the asker's, per lane; an answer carries that of its ask
 *   8  time       f64      unix time in ms at the sender, for the median clock of section 5
 *  16  challenge  u8[16]   the asker's fresh random bytes; an answer echoes them
 *  32  observed   4 or 16  the IP that the ask came from, then its port (u16)
 *  32  padding             in asks: zeros, up to the size that a path MTU probe asks for; not read
 *
 * An answer is never larger than its ask: it carries the observed address only when the ask is padded by as much. An end
 * that does not know of it neither reads nor sends it.
 */
import { ipFromBytes, ipToBytes } from './ip-text.ts';
import type { DatagramAddress } from './trunk-port.ts';

export const PROBE_BODY_BYTES = 32;
export const CHALLENGE_BYTES = 16;
/** Header of section 3 (48) and the body's tag (16). */
export const PROBE_OVERHEAD_BYTES = 48;
export const PROBE_DATAGRAM_BYTES = PROBE_BODY_BYTES + PROBE_OVERHEAD_BYTES;
const OBSERVED_AT = PROBE_BODY_BYTES;
const PORT_BYTES = 2;

/** @returns the size of an ask or answer with room for the observed address of this family */
export function observingBytes(ip: string): number {
  return PROBE_DATAGRAM_BYTES + (ip.includes(':') ? 16 : 4) + PORT_BYTES;
}

export interface ProbeBody {
  readonly operation: 'ask' | 'answer';
  readonly sequence: number;
  readonly unixMs: number;
  readonly challenge: Uint8Array;
  /** Where the ask came from, as the answering end sees it. */
  readonly observed?: DatagramAddress | undefined;
}

/** @param datagramBytes - size of the whole datagram, at least `PROBE_DATAGRAM_BYTES` @returns the padded body */
export function encodeProbeBody(probe: ProbeBody, datagramBytes: number): Uint8Array {
  const body = new Uint8Array(Math.max(datagramBytes - PROBE_OVERHEAD_BYTES, PROBE_BODY_BYTES));
  const view = new DataView(body.buffer);
  body[0] = probe.operation === 'ask' ? 1 : 2;
  view.setUint32(4, probe.sequence, true);
  view.setFloat64(8, probe.unixMs, true);
  body.set(probe.challenge, 16);
  const ip = probe.observed === undefined ? undefined : ipToBytes(probe.observed.ip);
  if (ip !== undefined && body.length >= OBSERVED_AT + ip.length + PORT_BYTES) {
    body[1] = ip.length === 4 ? 4 : 6;
    body.set(ip, OBSERVED_AT);
    view.setUint16(OBSERVED_AT + ip.length, probe.observed?.port ?? 0, true);
  }
  return body;
}

/** @returns the probe, or undefined for a body that is too short or of an unknown operation; never throws */
export function decodeProbeBody(body: Uint8Array): ProbeBody | undefined {
  const operation = body[0];
  if (body.length < PROBE_BODY_BYTES || (operation !== 1 && operation !== 2)) {
    return undefined;
  }
  const view = new DataView(body.buffer, body.byteOffset, body.length);
  const observed = operation === 2 ? decodeObserved(body, view) : undefined;
  const unixMs = view.getFloat64(8, true);
  return {
    operation: operation === 1 ? 'ask' : 'answer',
    sequence: view.getUint32(4, true),
    unixMs: Number.isFinite(unixMs) ? unixMs : 0,
    challenge: new Uint8Array(body.subarray(16, PROBE_BODY_BYTES)),
    ...(observed !== undefined && { observed }),
  };
}

function decodeObserved(body: Uint8Array, view: DataView): DatagramAddress | undefined {
  const ipBytes = body[1] === 4 ? 4 : body[1] === 6 ? 16 : 0;
  if (ipBytes === 0 || body.length < OBSERVED_AT + ipBytes + PORT_BYTES) {
    return undefined;
  }
  const ip = ipFromBytes(body.subarray(OBSERVED_AT, OBSERVED_AT + ipBytes));
  const port = view.getUint16(OBSERVED_AT + ipBytes, true);
  return ip === undefined || port === 0 ? undefined : { ip, port };
}
