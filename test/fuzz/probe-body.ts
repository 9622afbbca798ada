/** Fuzzing entry point: a probe's body is decoded or refused, and what is decoded is finite and whole. */
import { decodeProbeBody, encodeProbeBody } from '../../control/trunk/probe-body.ts';

export function fuzz(bytes: Uint8Array): void {
  const probe = decodeProbeBody(bytes);
  if (probe === undefined) {
    return;
  }
  const again = decodeProbeBody(encodeProbeBody(probe, bytes.length + 64));
  if (again?.sequence !== probe.sequence || !Number.isFinite(probe.unixMs) || probe.challenge.length !== 16) {
    throw new Error('a probe does not survive its own encoding');
  }
}
