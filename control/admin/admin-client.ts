/**
 * The command's side of the admin API: one typed method a route, and failures in words.
 *
 * Runs in the `peertap` command. Must never retry: a request that changes something is sent once.
 */
import { askDaemon } from './admin-exchange.ts';
import type {
  AdmissionRequestReport,
  BrowsedVlan,
  CreateRequest,
  DaemonStatus,
  InviteReport,
  InviteRequest,
  JoinRequest,
  MemberReport,
  PeerReport,
  SwarmKeyReport,
  SwarmReport,
  VlanReport,
} from './daemon-control.ts';

/** Talks to the daemon behind one control socket. */
export class AdminClient {
  readonly #socketPath: string;

  constructor(socketPath: string) {
    this.#socketPath = socketPath;
  }

  status(): Promise<DaemonStatus> {
    return this.#ask('GET', '/v1/status') as Promise<DaemonStatus>;
  }

  async peers(): Promise<readonly PeerReport[]> {
    return ((await this.#ask('GET', '/v1/peers')) as { peers: readonly PeerReport[] }).peers;
  }

  async vlans(): Promise<readonly VlanReport[]> {
    return ((await this.#ask('GET', '/v1/vlans')) as { vlans: readonly VlanReport[] }).vlans;
  }

  createVlan(wanted: CreateRequest): Promise<VlanReport> {
    return this.#ask('POST', '/v1/vlans', wanted) as Promise<VlanReport>;
  }

  joinVlan(join: JoinRequest): Promise<VlanReport> {
    return this.#ask('POST', '/v1/vlans/join', join) as Promise<VlanReport>;
  }

  async leaveVlan(id: string): Promise<void> {
    await this.#ask('POST', '/v1/vlans/leave', { id });
  }

  setVlan(id: string, changes: Readonly<Record<string, string>>): Promise<VlanReport> {
    return this.#ask('POST', '/v1/vlans/set', { id, changes }) as Promise<VlanReport>;
  }

  async browse(): Promise<readonly BrowsedVlan[]> {
    return ((await this.#ask('GET', '/v1/vlans/browse')) as { vlans: readonly BrowsedVlan[] }).vlans;
  }

  invite(wanted: InviteRequest): Promise<InviteReport> {
    return this.#ask('POST', '/v1/vlans/invite', wanted) as Promise<InviteReport>;
  }

  async requests(id: string): Promise<readonly AdmissionRequestReport[]> {
    const answer = await this.#ask('GET', `/v1/vlans/requests?id=${encodeURIComponent(id)}`);
    return (answer as { requests: readonly AdmissionRequestReport[] }).requests;
  }

  async members(id: string): Promise<readonly MemberReport[]> {
    const answer = await this.#ask('GET', `/v1/vlans/members?id=${encodeURIComponent(id)}`);
    return (answer as { members: readonly MemberReport[] }).members;
  }

  async approve(id: string, peer: string): Promise<void> {
    await this.#ask('POST', '/v1/vlans/approve', { id, peer });
  }

  async remove(id: string, peer: string): Promise<void> {
    await this.#ask('POST', '/v1/vlans/remove', { id, peer });
  }

  swarm(): Promise<SwarmReport> {
    return this.#ask('GET', '/v1/swarm') as Promise<SwarmReport>;
  }

  /** Makes a key, shows the one in use, or puts a fresh one into its place. */
  swarmKey(how: 'configure' | 'exchange' | 'rotate'): Promise<SwarmKeyReport> {
    return this.#ask('POST', `/v1/swarm/${how}`, {}) as Promise<SwarmKeyReport>;
  }

  joinSwarm(key: string): Promise<SwarmReport> {
    return this.#ask('POST', '/v1/swarm/join', { key }) as Promise<SwarmReport>;
  }

  finishSwarmRotation(): Promise<SwarmReport> {
    return this.#ask('POST', '/v1/swarm/finish', {}) as Promise<SwarmReport>;
  }

  leaveSwarm(): Promise<SwarmReport> {
    return this.#ask('POST', '/v1/swarm/leave', {}) as Promise<SwarmReport>;
  }

  #ask(method: string, path: string, body?: unknown): Promise<unknown> {
    return askDaemon(this.#socketPath, { method, path, body });
  }
}
