/** What `peertap vlan browse` shows. Main thread; pure. */
import type { BrowsedVlan } from '../admin/daemon-control.ts';
import { formatPeerId } from '../identity/peer-id.ts';
import type { BrowsableVlan } from '../vlan/directory-port.ts';

const FINGERPRINT_CHARACTERS = 8;

/** Rows by name, then by id. */
export function browsedVlans(vlans: readonly BrowsableVlan[]): readonly BrowsedVlan[] {
  return vlans
    .map(({ signed, isOwn }) => ({
      id: signed.id,
      name: signed.record.name,
      description: signed.record.description === '' ? null : signed.record.description,
      kind: signed.record.kind,
      subnet: signed.record.subnet,
      // The end of the key's text form: its head is the same for all keys.
      owner: formatPeerId(signed.record.publicKey).slice(-FINGERPRINT_CHARACTERS),
      sequence: signed.record.sequence,
      joined: isOwn,
    }))
    .sort((left, right) => (left.name + left.id < right.name + right.id ? -1 : 1));
}
