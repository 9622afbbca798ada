/**
 * A daemon for tests of the admin API and of commands: it keeps what it is told in lists, and refuses as the real one.
 *
 * Nothing happens by itself; a test changes the lists, or overrides what it wants to be otherwise.
 */
import { formatSwarmKey, parseSwarmKey, swarmKeyOf } from '../swarm/swarm-key.ts';
import { formatInvite, parseInvite } from '../vlan/invite.ts';
import {
  type AdmissionRequestReport,
  type BrowsedVlan,
  ControlError,
  type CreateRequest,
  type DaemonControl,
  type DaemonStatus,
  type InviteReport,
  type InviteRequest,
  type JoinRequest,
  type MemberReport,
  type PeerReport,
  type SwarmKeyReport,
  type SwarmReport,
  type VlanReport,
} from './daemon-control.ts';

/** A well-formed id. */
export const VLAN_ID = 'a'.repeat(26);
/** Well-formed PeerIds; the two after this node's own begin alike. */
export const OWN_PEER = '12D3KooWGRUaUvFz6UAZfmYkTQRNA3eCxxZsuF3KVvFMkNfFPEv6';
export const OTHER_PEER = '12D3KooWAHoEkEqnKzM5PXFygh2movVBCSX3k8tDsT2cneU68Gyn';
export const THIRD_PEER = '12D3KooWAHoEkEqnKzM5PXFygh2movVBCSX3k8tDsT2cneU68Gyv';
/** Another VLAN than {@link VLAN_ID}, as an id is the hash of a key. */
export const INVITE = formatInvite({
  kind: 'private',
  publicKey: new Uint8Array(32).fill(7),
  name: 'lab',
  admins: [{ peer: OWN_PEER, addresses: ['/ip4/192.0.2.1/tcp/7946'] }],
});
const INVITED_ID = idOfInvite(INVITE);
export const SWARM_KEY = formatSwarmKey(swarmKeyOf(new Uint8Array(32).fill(1)));
export const OTHER_SWARM_KEY = formatSwarmKey(swarmKeyOf(new Uint8Array(32).fill(2)));

const NO_SWARM: SwarmReport = {
  active: false,
  fingerprint: null,
  previousFingerprint: null,
  previousUntil: null,
  refusedConnections: 0,
};

/** A VLAN report with the given values; an open VLAN without an interface otherwise. */
export function vlanReport(changes: Partial<VlanReport>): VlanReport {
  return {
    id: VLAN_ID,
    name: null,
    source: 'joined',
    owned: false,
    interface: null,
    addresses: [],
    mtuBytes: 1500,
    members: 0,
    stations: 0,
    multicast: { wanted: 0, wantsAll: false, sentTo: 0, messages: {} },
    kind: 'open',
    state: (changes.interface ?? null) === null ? 'no-interface' : 'active',
    reason: null,
    epoch: null,
    description: null,
    subnet: null,
    public: false,
    role: null,
    requests: 0,
    membership: {},
    ...changes,
  };
}

/** See the file's head. */
export class ListDaemon implements DaemonControl {
  vlanList: VlanReport[] = [];
  peerList: PeerReport[] = [];
  requestList: AdmissionRequestReport[] = [];
  memberList: MemberReport[] = [];
  browsedList: BrowsedVlan[] = [];
  swarmReport: SwarmReport = NO_SWARM;
  statusChanges: Partial<DaemonStatus> = {};
  expiredInvites = new Set<string>();
  /** What was asked for, in order. */
  readonly asked: unknown[] = [];

  status(): DaemonStatus {
    return {
      peerId: OWN_PEER,
      version: '1.2.3',
      engine: 'typescript',
      engineReason: null,
      workers: 2,
      uptimeSeconds: 5,
      residentBytes: 1000,
      eventLoopDelay: { maxMs: 12, p99Ms: 1.5 },
      clockOffsetMs: null,
      listen: { libp2p: [], datagram: [] },
      trunks: this.peerList,
      vlans: this.vlanList,
      counters: { framesSealed: 7 },
      drops: { 'link-replay': 3 },
      ...this.statusChanges,
    };
  }

  peers(): readonly PeerReport[] {
    return this.peerList;
  }

  vlans(): readonly VlanReport[] {
    return this.vlanList;
  }

  createVlan(request: CreateRequest): Promise<VlanReport> {
    this.asked.push(request);
    const kind = request.private ? 'private' : 'open';
    const { name, subnet } = request;
    const vlan = vlanReport({ name, subnet, kind, source: 'owned', owned: true, role: 'owner' });
    this.vlanList.push(vlan);
    return Promise.resolve(vlan);
  }

  joinVlan(request: JoinRequest): Promise<VlanReport> {
    this.asked.push(request);
    if (this.expiredInvites.has(request.invite ?? '')) {
      return Promise.reject(
        new ControlError('invalid-invite', 'This invite has expired; ask for a new one.'),
      );
    }
    const id = request.id ?? INVITED_ID;
    const present = this.vlanList.find((vlan) => vlan.id === id);
    const { interface: name, addresses, mtuBytes } = request;
    const attached = { interface: name, addresses, mtuBytes, state: 'active' as const };
    const vlan = { ...(present ?? vlanReport({ id })), ...attached };
    this.vlanList = [...this.vlanList.filter((other) => other.id !== id), vlan];
    return Promise.resolve(vlan);
  }

  async leaveVlan(id: string): Promise<void> {
    this.#required(id);
    this.vlanList = this.vlanList.filter((vlan) => vlan.id !== id);
    return Promise.resolve();
  }

  async inviteToVlan(request: InviteRequest): Promise<InviteReport> {
    const hasSecret = this.#required(request.id).kind === 'private' && request.oneTimeSecret;
    this.asked.push(request);
    const expiresAt = hasSecret ? '2026-11-22T10:00:00.000Z' : null;
    return Promise.resolve({ id: request.id, invite: INVITE, expiresAt, uses: hasSecret ? request.uses : 0 });
  }

  async vlanRequests(id: string): Promise<readonly AdmissionRequestReport[]> {
    this.#requiredPrivate(id);
    return Promise.resolve(this.requestList);
  }

  async approveRequest(id: string, peer: string): Promise<void> {
    this.#requiredPrivate(id);
    if (!this.requestList.some((request) => request.peer === peer)) {
      throw new ControlError('no-request', `${peer} has not asked.`);
    }
    this.requestList = this.requestList.filter((request) => request.peer !== peer);
    return Promise.resolve();
  }

  async removeMember(id: string, peer: string): Promise<void> {
    this.#requiredPrivate(id);
    this.memberList = this.memberList.filter((member) => member.peer !== peer);
    return Promise.resolve();
  }

  async vlanMembers(id: string): Promise<readonly MemberReport[]> {
    this.#required(id);
    return Promise.resolve(this.memberList);
  }

  browseVlans(): Promise<readonly BrowsedVlan[]> {
    return Promise.resolve(this.browsedList);
  }

  async setVlan(id: string, changes: Readonly<Record<string, string>>): Promise<VlanReport> {
    const vlan = this.#required(id);
    this.asked.push(changes);
    const changed = { ...vlan, name: changes['name'] ?? vlan.name };
    this.vlanList = this.vlanList.map((other) => (other.id === id ? changed : other));
    return Promise.resolve(changed);
  }

  swarm(): SwarmReport {
    return this.swarmReport;
  }

  async configureSwarm(): Promise<SwarmKeyReport> {
    if (this.swarmReport.active) throw new ControlError('in-swarm', 'There is a swarm; leave it first.');
    return Promise.resolve(this.#takeKey(SWARM_KEY));
  }

  async exchangeSwarm(): Promise<SwarmKeyReport> {
    if (!this.swarmReport.active) throw new ControlError('no-swarm', 'There is no swarm to exchange.');
    return Promise.resolve({ key: SWARM_KEY, fingerprint: this.swarmReport.fingerprint ?? '' });
  }

  async joinSwarm(key: string): Promise<SwarmReport> {
    this.#takeKey(key);
    return Promise.resolve(this.swarmReport);
  }

  leaveSwarm(): Promise<SwarmReport> {
    this.swarmReport = NO_SWARM;
    return Promise.resolve(this.swarmReport);
  }

  rotateSwarm(): Promise<SwarmKeyReport> {
    return Promise.resolve(this.#takeKey(OTHER_SWARM_KEY));
  }

  async finishSwarmRotation(): Promise<SwarmReport> {
    const isRotating = this.swarmReport.previousFingerprint !== null;
    if (!isRotating) throw new ControlError('no-swarm', 'No rotation is under way.');
    this.swarmReport = { ...this.swarmReport, previousFingerprint: null, previousUntil: null };
    return Promise.resolve(this.swarmReport);
  }

  #takeKey(key: string): SwarmKeyReport {
    const { fingerprint: previousFingerprint } = this.swarmReport;
    const previousUntil = previousFingerprint === null ? null : '2026-11-22T10:00:00.000Z';
    const { fingerprint } = parseSwarmKey(key);
    this.swarmReport = { ...NO_SWARM, active: true, fingerprint, previousFingerprint, previousUntil };
    return { key, fingerprint };
  }

  #required(id: string): VlanReport {
    const vlan = this.vlanList.find((other) => other.id === id);
    if (vlan !== undefined) return vlan;
    throw Object.assign(new Error(`This node is not a member of ${id}.`), { code: 'not-a-member' });
  }

  #requiredPrivate(id: string): void {
    if (this.#required(id).kind === 'open') {
      throw new ControlError('not-private', 'This VLAN is open: whoever has its id is a member.');
    }
  }
}

function idOfInvite(text: string): string {
  const parsed = parseInvite(text);
  return parsed.ok ? parsed.invite.id : '';
}
