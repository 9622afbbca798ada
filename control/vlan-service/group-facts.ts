/**
 * What a group's bytes say to admission and order: credentials, records, who is in and who was put out.
 *
 * Main thread; pure functions. Must never throw for bytes that came from a peer.
 */
import {
  type Credential,
  type CredentialContext,
  decodeCredential,
  verifyCredential,
} from '../admission/credentials.ts';
import type { DeskSituation } from '../admission/desk-port.ts';
import type { GroupState } from '../membership/group/group-port.ts';
import type { OrderPorts, RecordFacts } from '../membership/group/order/order-port.ts';
import { decodePolicy } from '../membership/group/order/policy-extension.ts';
import { openRecord, type SignedRecord } from '../vlan/vlan-record.ts';

/** How the order machine of a VLAN reads what admins and the owner have signed. */
export function groupReaders(vlanId: Uint8Array): Pick<OrderPorts, 'readCredential' | 'readRecord'> {
  return {
    readRecord: (bytes) => readRecord(bytes, vlanId),
    readCredential: (bytes, admins) => readCredential(bytes, { vlanId, admins }),
  };
}

/** The highest sequence that is known of a peer's standing. */
export function standingOf(state: GroupState, peer: string): number | undefined {
  return decodePolicy(state.policy)?.standings.entries.get(peer)?.credential.sequence;
}

/** What the desk goes by in a state; undefined without a record. */
export function deskSituation(
  state: GroupState,
  record: SignedRecord | undefined,
): DeskSituation | undefined {
  if (record === undefined) return undefined;
  const standings = decodePolicy(state.policy)?.standings.entries ?? new Map<string, never>();
  const out = [...standings].filter(([, { credential }]) => credential.kind === 'tombstone');
  return {
    record,
    members: new Set(state.members.map(({ peer }) => peer)),
    tombstones: new Map(out.map(([peer, { credential }]) => [peer, credential.sequence])),
  };
}

/** Why the group takes no further member: it is full, or what the peer handed in does not hold. */
export function refusalOf(
  state: GroupState | undefined,
  record: SignedRecord | undefined,
): 'full' | 'bad-key-package' {
  const membersMax = record?.record.membersMax ?? 0;
  return (state?.members.length ?? 0) >= membersMax ? 'full' : 'bad-key-package';
}

function readCredential(bytes: Uint8Array, context: CredentialContext): Credential | undefined {
  const kind = decodeCredential(bytes)?.kind;
  const verified = kind === undefined ? undefined : verifyCredential(kind, bytes, context);
  return verified?.ok === true ? verified.credential : undefined;
}

function readRecord(bytes: Uint8Array, vlanId: Uint8Array): RecordFacts | undefined {
  const opened = openRecord(bytes, vlanId);
  if (!opened.ok) return undefined;
  const { sequence, admins, rekeyIntervalSeconds } = opened.signed.record;
  return { sequence, admins: new Set(admins), rekeyIntervalSeconds };
}
