/** What `peertap vlan list` and `vlan members` show, from the parts of a VLAN. Main thread; reads only. */
import type { MemberReport, MemberRole, VlanReport, VlanState } from '../admin/daemon-control.ts';
import { DEFAULT_MTU_BYTES } from '../config/defaults.ts';
import type { OrderMember } from '../membership/group/order/order-port.ts';
import type { MemberStatus } from '../membership/membership-port.ts';
import { formatMac } from '../vlan/mac-text.ts';
import type { VlanEntry } from '../vlan/vlan-registry.ts';
import type { PrivateVlan } from './private-vlan.ts';
import type { PeerFacts, VlanAtWork } from './vlan-parts.ts';

/** A VLAN of this node, as far as it is at work. */
export interface VlanFacts {
  readonly entry: VlanEntry;
  readonly host: VlanAtWork | undefined;
  /** Of a private one. */
  readonly inner: PrivateVlan | undefined;
  /** PeerId of this node. */
  readonly self: string;
}

/** A row of `peertap vlan list`. */
export function vlanReport(facts: VlanFacts): VlanReport {
  const { entry, host, inner } = facts;
  const record = entry.record?.record;
  return {
    id: entry.id,
    name: entry.name ?? null,
    source: entry.source,
    owned: entry.owned,
    interface: host?.interfaceName ?? null,
    addresses: entry.attachment?.addresses ?? [],
    mtuBytes: entry.attachment?.mtuBytes ?? DEFAULT_MTU_BYTES,
    members: host?.members.length ?? 0,
    stations: host?.stations ?? 0,
    multicast: host?.multicast ?? { wanted: 0, wantsAll: false, sentTo: 0, messages: {} },
    kind: entry.kind,
    state: vlanState(facts),
    reason: entry.membership?.reason ?? inner?.outsideReason ?? null,
    epoch: inner?.state?.epoch ?? null,
    description: record === undefined || record.description === '' ? null : record.description,
    subnet: record?.subnet ?? null,
    public: record?.public ?? false,
    role: ownRole(facts),
    requests: inner?.requests().length ?? 0,
    membership: inner?.counters() ?? {},
  };
}

/** Rows of `peertap vlan members`: this node, then live ones, then absent ones; none while it is not in itself. */
export function memberReports(
  facts: VlanFacts,
  nowMs: number,
  peerFacts: (peer: string) => PeerFacts | undefined,
): readonly MemberReport[] {
  if (facts.entry.kind === 'private' && facts.inner?.state === undefined) return [];
  const live = new Map(facts.host?.members.map((member) => [member.peer, member]));
  const inGroup = facts.inner?.state?.members.map(({ peer }) => peer) ?? [];
  const others = new Set([...live.keys(), ...inGroup].filter((peer) => peer !== facts.self));
  const ordered = new Map(facts.inner?.status()?.members.map((member) => [member.peer, member]));
  const rows = [...others].map((peer) => {
    const seen = { live: live.get(peer), ordered: ordered.get(peer) };
    return memberReport(facts, peer, seen, nowMs);
  });
  const withTrunk = rows.map((row) => ({ ...row, trunk: peerFacts(row.peer)?.isUp ?? false }));
  return [selfReport(facts), ...withTrunk.sort(byState)];
}

function vlanState({ entry, host, inner }: VlanFacts): VlanState {
  const standing = entry.membership?.state;
  if (standing === 'refused' || standing === 'expelled') return standing;
  if (entry.kind === 'private' && inner?.state === undefined) {
    return inner?.isWaiting === true ? 'waiting-for-approval' : 'joining';
  }
  return host?.interfaceName === undefined ? 'no-interface' : 'active';
}

function ownRole(facts: VlanFacts): MemberRole | null {
  const { entry, inner, self } = facts;
  if (entry.kind === 'open') return entry.owned ? 'owner' : null;
  return inner?.state === undefined ? null : roleOf(facts, self);
}

function roleOf({ entry, self }: VlanFacts, peer: string): MemberRole {
  // Who else has the VLAN's key is nowhere written.
  if (entry.owned && peer === self) return 'owner';
  return entry.record?.record.admins.includes(peer) === true ? 'admin' : 'member';
}

function selfReport(facts: VlanFacts): MemberReport {
  return {
    peer: facts.self,
    role: roleOf(facts, facts.self),
    state: 'self',
    stations: [],
    trunk: false,
    lastHeardSeconds: null,
    epoch: facts.inner?.state?.epoch ?? null,
  };
}

function memberReport(
  facts: VlanFacts,
  peer: string,
  { live, ordered }: { readonly live: MemberStatus | undefined; readonly ordered: OrderMember | undefined },
  nowMs: number,
): MemberReport {
  const heardMs = live === undefined ? ordered?.lastHeardMs : nowMs - live.lastHeardMs;
  return {
    peer,
    role: roleOf(facts, peer),
    state: live !== undefined || ordered?.state === 'live' ? 'live' : 'absent',
    stations: live?.macs.map(formatMac) ?? [],
    trunk: false,
    lastHeardSeconds: heardMs === undefined ? null : Math.round(heardMs / 100) / 10,
    epoch: ordered?.epoch ?? null,
  };
}

function byState(left: MemberReport, right: MemberReport): number {
  if (left.state !== right.state) return left.state === 'live' ? -1 : 1;
  return left.peer < right.peer ? -1 : 1;
}
