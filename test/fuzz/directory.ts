/** Fuzzing entry for records, their envelopes, and what nodes say to each other about them. */
import { Directory } from '../../control/vlan/directory.ts';
import { decodeDirectoryMessage, encodeDirectoryMessage } from '../../control/vlan/directory-message.ts';
import {
  openEnvelope,
  openPlainEnvelope,
  selectNewest,
  validateEnvelope,
} from '../../control/vlan/envelope.ts';
import { openRecord } from '../../control/vlan/vlan-record.ts';

const ID = new Uint8Array(16);
const TYPES = 8;
const directory = new Directory({ random: () => 0.5 });
directory.handle({ kind: 'vlan', id: 'a'.repeat(26), idBytes: ID, record: undefined }, 0);
let nowMs = 0;

/** Must neither throw nor take for a record what nobody signed. */
export function fuzz(bytes: Uint8Array): void {
  nowMs += 1_000;
  for (let type = 0; type < TYPES; type++) {
    const sent = Uint8Array.of(type, ...bytes);
    const isRecord = openRecord(sent).ok || openPlainEnvelope(sent).ok || openEnvelope(sent, ID, ID).ok;
    if (isRecord) throw new Error('random bytes are a signed record');
    validateEnvelope(ID, sent, () => ID);
    selectNewest(ID, [sent, bytes], () => undefined);
    for (const vlan of [null, 'a'.repeat(26)]) {
      const effects = directory.handle({ kind: 'message', peer: 'x', vlan, bytes: sent }, nowMs);
      if (effects.some(({ kind }) => kind === 'record')) throw new Error('random bytes became a record');
    }
    const message = decodeDirectoryMessage(sent);
    if (message !== undefined && Buffer.compare(encodeDirectoryMessage(message), sent) !== 0) {
      throw new Error('a message has two spellings');
    }
  }
}
