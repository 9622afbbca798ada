/**
 * A private swarm's key: 32 random bytes, its fingerprint, and the text by which people hand it over.
 *
 *   fingerprint = derive_key("peertap swarm key id v1", key)[0‥8], shown as 16 hexadecimal digits; no secret
 *   text        = "peertapswarm1" ‖ base32( key 32 ‖ fingerprint 8 )
 *
 * The fingerprint in the text is its checksum, too. Main thread; pure.
 *
 * @see docs/protocol.md, "Private swarm"
 */
import { createSecretKey, type KeyObject } from 'node:crypto';
import { decodeBase32, encodeBase32 } from '../vlan/base32.ts';
import { deriveKey } from '../vlan/hash.ts';
import { SwarmError } from './swarm-error.ts';

/** Size of the key itself. */
export const SWARM_KEY_BYTES = 32;

const FINGERPRINT_BYTES = 8;
const PREFIX = 'peertapswarm1';
const TEXT_CHARACTERS = PREFIX.length + Math.ceil(((SWARM_KEY_BYTES + FINGERPRINT_BYTES) * 8) / 5);

/** A key ready for use. */
export interface SwarmKey {
  readonly bytes: Uint8Array;
  /** For HMAC: handing over raw bytes each time is several times slower. */
  readonly secret: KeyObject;
  readonly fingerprint: string;
}

/** @throws RangeError when it does not have 32 bytes (a bug of the caller) */
export function swarmKeyOf(bytes: Uint8Array): SwarmKey {
  if (bytes.length !== SWARM_KEY_BYTES) {
    throw new RangeError(`a swarm key has ${SWARM_KEY_BYTES} bytes, got ${bytes.length}`);
  }
  const copy = Uint8Array.from(bytes);
  const fingerprint = Buffer.from(fingerprintOf(copy)).toString('hex');
  return { bytes: copy, secret: createSecretKey(copy), fingerprint };
}

/** The text form: a secret, as good as the key. */
export function formatSwarmKey(key: SwarmKey): string {
  return PREFIX + encodeBase32(Uint8Array.from([...key.bytes, ...fingerprintOf(key.bytes)]));
}

/**
 * Reads the text form, around which blanks do not count.
 *
 * @throws SwarmError `invalid-swarm-key`, saying what is wrong without repeating the text
 */
export function parseSwarmKey(text: string): SwarmKey {
  const word = text.trim();
  if (!word.startsWith(PREFIX)) {
    throw invalid(`it does not begin with ${PREFIX}`);
  }
  if (word.length !== TEXT_CHARACTERS) {
    throw invalid(`it has ${word.length} characters instead of ${TEXT_CHARACTERS}`);
  }
  const decoded = decodeBase32(word.slice(PREFIX.length));
  if (!decoded.ok) {
    throw invalid('it has a character that no key has');
  }
  const key = decoded.bytes.slice(0, SWARM_KEY_BYTES);
  if (Buffer.compare(fingerprintOf(key), decoded.bytes.subarray(SWARM_KEY_BYTES)) !== 0) {
    throw invalid('its checksum is wrong, so a character was lost or changed');
  }
  return swarmKeyOf(key);
}

function fingerprintOf(key: Uint8Array): Uint8Array {
  return deriveKey('peertap swarm key id v1', key).subarray(0, FINGERPRINT_BYTES);
}

function invalid(why: string): SwarmError {
  return new SwarmError(
    'invalid-swarm-key',
    `This is no swarm key: ${why}. Copy the whole word that \`peertap swarm exchange\` shows on a node of the swarm.`,
  );
}
