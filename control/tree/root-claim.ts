/**
 * A root claim: a member's signed statement "I may be the root of this segment's tree", which goes from neighbour to
 * neighbour unchanged.
 *
 *   signed   domain │ segment key 32 │ root 17: rank u8, priority 16 │ sequence u48 │ expiry u48, Unix ms
 *
 * A root is named by rank and priority together, in hexadecimal: the name that sorts first wins. The sequence rises with
 * each claim of a root; who has it twice has the later tree.
 *
 * Main thread; pure.
 */
import { ByteWriter } from '../membership/byte-codec.ts';

/** Rank and priority. */
export const ROOT_BYTES = 17;
const KEY_BYTES = 32;
const DOMAIN = new TextEncoder().encode('peertap tree v1');

/** What a claim says. */
export interface ClaimFields {
  readonly segmentKey: Uint8Array;
  /** Rank u8 ‖ priority 16. */
  readonly rootBytes: Uint8Array;
  readonly sequence: number;
  readonly expiresAtUnixMs: number;
}

/** A claim that was verified, or is our own. */
export interface RootClaim extends ClaimFields {
  /** Rank and priority in hexadecimal: sorts as roots do. */
  readonly root: string;
  readonly signature: Uint8Array;
  /** Monotonic, on this node's clock: nobody is followed by it from then. */
  readonly endsAtMs: number;
}

/** The name of a root. */
export function rootName(rootBytes: Uint8Array): string {
  return Buffer.from(rootBytes.buffer, rootBytes.byteOffset, rootBytes.length).toString('hex');
}

/** The inverse of `rootName`. */
export function rootBytesOf(root: string): Uint8Array {
  return Uint8Array.from(Buffer.from(root, 'hex'));
}

/** What the signature is over. */
export function signedPart(claim: ClaimFields): Uint8Array {
  const writer = new ByteWriter(DOMAIN.length + KEY_BYTES + ROOT_BYTES + 12);
  writer.bytes(DOMAIN, DOMAIN.length);
  writer.bytes(claim.segmentKey, KEY_BYTES);
  writer.bytes(claim.rootBytes, ROOT_BYTES);
  writer.u48(claim.sequence);
  writer.u48(claim.expiresAtUnixMs);
  return writer.done();
}
