/** Fuzzing entry for what anybody who knows a VLAN's id may send to its admission desk, and what a desk reads from disk. */
import { decodeAdmissionMessage, encodeAdmissionMessage } from '../../control/admission/admission-message.ts';
import { verifyCredential } from '../../control/admission/credentials.ts';
import { decodeBook } from '../../control/admission/desk-book.ts';

const CONTEXT = { vlanId: new Uint8Array(16), admins: new Set<string>() };
const TYPES = 8;

/** Must neither throw nor verify what nobody signed; what decodes must be exactly what was sent. */
export function fuzz(bytes: Uint8Array): void {
  for (const kind of ['admission', 'tombstone'] as const) {
    if (verifyCredential(kind, bytes, CONTEXT).ok) throw new Error(`random bytes verified as ${kind}`);
  }
  decodeBook(bytes);
  for (let type = 0; type < TYPES; type++) {
    const sent = Uint8Array.of(type, ...bytes);
    const message = decodeAdmissionMessage(sent);
    if (message !== undefined && Buffer.compare(encodeAdmissionMessage(message), sent) !== 0) {
      throw new Error('a message has two spellings');
    }
  }
}
