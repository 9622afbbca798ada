/**
 * The body of a probe (kind 5), the plaintext that the lane's k4 seals.
 *
 * Main thread, pure.
 *
 *   0  operation  u8       1 ask · 2 answer
 *   1  reserved   u8[3]    0; not read
 *   4  sequence   u32      the asker's, per lane; an answer carries that of its ask
 *   8  time       f64      unix time in ms at the sender, for the median clock of section 5
 *  16  challenge  u8[16]   the asker's fresh random bytes; an answer echoes them
 *  32  padding             zeros up to the size that a path MTU probe asks for; not read
 *
 * An answer is never padded, so it is never larger than its ask.
 */

export const PROBE_BODY_BYTES = 32;
export const CHALLENGE_BYTES = 16;
/** Header of section 3 (48) and the body's tag (16). */
export const PROBE_OVERHEAD_BYTES = 48;
export const PROBE_DATAGRAM_BYTES = PROBE_BODY_BYTES + PROBE_OVERHEAD_BYTES;

export interface ProbeBody {
  readonly operation: 'ask' | 'answer';
  readonly sequence: number;
  readonly unixMs: number;
  readonly challenge: Uint8Array;
}

/** @param datagramBytes - size of the whole datagram, at least `PROBE_DATAGRAM_BYTES` @returns the padded body */
export function encodeProbeBody(probe: ProbeBody, datagramBytes: number): Uint8Array {
  const body = new Uint8Array(Math.max(datagramBytes - PROBE_OVERHEAD_BYTES, PROBE_BODY_BYTES));
  const view = new DataView(body.buffer);
  body[0] = probe.operation === 'ask' ? 1 : 2;
  view.setUint32(4, probe.sequence, true);
  view.setFloat64(8, probe.unixMs, true);
  body.set(probe.challenge, 16);
  return body;
}

/** @returns the probe, or undefined for a body that is too short or of an unknown operation; never throws */
export function decodeProbeBody(body: Uint8Array): ProbeBody | undefined {
  const operation = body[0];
  if (body.length < PROBE_BODY_BYTES || (operation !== 1 && operation !== 2)) {
    return undefined;
  }
  const view = new DataView(body.buffer, body.byteOffset, body.length);
  const unixMs = view.getFloat64(8, true);
  return {
    operation: operation === 1 ? 'ask' : 'answer',
    sequence: view.getUint32(4, true),
    unixMs: Number.isFinite(unixMs) ? unixMs : 0,
    challenge: new Uint8Array(body.subarray(16, PROBE_BODY_BYTES)),
  };
}
