/**
 * The VLANs that this node takes part in, found by id, by slot and by epoch, and what concerns all of them:
 * neighbours, trunks, workers' deaths, the clock.
 *
 * Main thread only.
 */

import { DEFAULT_MTU_BYTES } from '../config/defaults.ts';
import { DEFAULT_TREE_RANK } from '../fabric/tree-rank.ts';
import type { EpochId } from '../membership/epoch.ts';
import { CIPHER_AES_256_GCM, CIPHER_CHACHA20_POLY1305 } from '../membership/frame-keys.ts';
import { createNodePorts } from '../membership/node-ports.ts';
import { MEMBERSHIP_LIMIT } from '../membership/timing.ts';
import { VlanError } from '../vlan/vlan-error.ts';
import { formatVlanId, vlanLabel } from '../vlan/vlan-id.ts';
import type {
  DataplaneIdentity,
  DataplaneLogEntry,
  DataplaneOptions,
  VlanAttachmentRequest,
  VlanPolicy,
  VlanRequest,
} from './dataplane-options.ts';
import type { FabricOutlet } from './fabric-link.ts';
import type { Injector } from './injector.ts';
import { Neighbours, type TrunkWay } from './neighbours.ts';
import type { TokenDeriver } from './station-tokens.ts';
import type { TableWriters } from './table-writers.ts';
import { interfaceMac, type TapInterface, type TapLink, type TapRequest } from './tap-link.ts';
import { VlanHost, type VlanNotice } from './vlan-host.ts';
import { VlanLink } from './vlan-link.ts';

const SEED_BYTES = 32;

const CIPHERS = { 'aes-256-gcm': CIPHER_AES_256_GCM, 'chacha20-poly1305': CIPHER_CHACHA20_POLY1305 } as const;

/** What the set works on. */
export interface VlanSetParts {
  readonly writers: TableWriters;
  readonly injector: Injector;
  readonly taps: TapLink;
  readonly identity: DataplaneIdentity;
  readonly workerCount: number;
  readonly tokenPeriodSeconds: number;
  /** The addon's, where the native engine runs. */
  readonly deriveTokens: TokenDeriver | undefined;
  /** Where neighbours are told which tokens are received, and which ways there are. */
  readonly fabric: FabricOutlet;
  /** Drops on the main thread, f64 by drop code. */
  readonly drops: Float64Array;
  /** CLOCK_MONOTONIC in milliseconds. */
  nowMs(): number;
  /** Unix time minus that. */
  unixOffsetMs(): number;
  /** A worker that runs. */
  anyWorker(): number;
  /** An interface came up with these offloads. */
  tapOpened(tap: TapInterface): void;
  log(entry: DataplaneLogEntry): void;
  debug: DataplaneOptions['debugEffect'];
}

/** See the file's head. */
export class VlanSet {
  readonly #parts: VlanSetParts;
  readonly #vlans = new Map<string, VlanHost>();
  /** Left, but its interface may still be there. */
  readonly #leaving = new Map<string, Promise<void>>();
  readonly #neighbours = new Neighbours();

  constructor(parts: VlanSetParts) {
    this.#parts = parts;
  }

  all(): readonly VlanHost[] {
    return [...this.#vlans.values()];
  }

  /** Text forms of the ids. */
  ids(): readonly string[] {
    return [...this.#vlans.keys()];
  }

  /** By the text form of the id. */
  find(id: string): VlanHost | undefined {
    return this.#vlans.get(id);
  }

  findBySlot(slot: number): VlanHost | undefined {
    return this.all().find((host) => host.slot === slot);
  }

  /** The VLAN of an epoch slot, and which of its epochs it is. */
  findByEpoch(slot: number): { readonly host: VlanHost; readonly epoch: EpochId } | undefined {
    for (const host of this.#vlans.values()) {
      const epoch = host.epochOf(slot);
      if (epoch !== undefined) {
        return { host, epoch };
      }
    }
    return undefined;
  }

  /** VLANs, by text form of their ids, that a peer shares with us. */
  sharedWith(peer: string): readonly string[] {
    return this.#neighbours.sharedWith(peer).filter((id) => this.#vlans.has(id));
  }

  /**
   * Takes part in a VLAN; attaches an interface to one that has none.
   *
   * @throws VlanError `too-many-vlans`, `already-joined`; SystemError: then all is as before
   */
  async join(request: VlanRequest): Promise<VlanHost> {
    const id = formatVlanId(request.idBytes);
    await this.#leaving.get(id);
    const present = this.#vlans.get(id);
    if (present !== undefined) {
      if (present.interfaceName !== undefined) {
        throw new VlanError(
          'already-joined',
          `This node has joined this VLAN on ${present.interfaceName} already.`,
        );
      }
      this.#attachIfAsked(present, request.attachment);
      return present;
    }
    const host = this.#create(id, request);
    this.#vlans.set(id, host);
    host.start();
    host.setNeighbours(this.#neighbours.of(id), true);
    try {
      this.#attachIfAsked(host, request.attachment);
    } catch (error) {
      await this.leave(id);
      throw error;
    }
    return host;
  }

  /**
   * Carries out a changed attachment: addresses and MTU in place, another name by a new interface.
   *
   * @throws SystemError when the kernel refuses
   */
  async change(id: string, attachment: VlanAttachmentRequest | undefined): Promise<void> {
    const host = this.#vlans.get(id);
    if (host === undefined) {
      return;
    }
    if (attachment !== undefined && host.interfaceName === attachment.interface) {
      host.change(this.#tapRequest(host.vlanId, attachment));
      return;
    }
    await host.detach();
    this.#attachIfAsked(host, attachment);
  }

  /** Leaves a VLAN; @returns when its interface is gone */
  async leave(id: string): Promise<void> {
    const host = this.#vlans.get(id);
    if (host !== undefined) {
      this.#vlans.delete(id);
      this.#leaving.set(id, host.leave());
    }
    await this.#leaving.get(id);
    this.#leaving.delete(id);
  }

  /** The VLANs that a peer shares with us, whole; none when its trunk is down. */
  share(peer: string, vlanIds: readonly Uint8Array[]): void {
    for (const { vlan, peers, grown } of this.#neighbours.setShared(peer, vlanIds.map(formatVlanId))) {
      this.#vlans.get(vlan)?.setNeighbours(peers, grown);
    }
  }

  /** Slots of all trunks, by peer. */
  trunks(): ReadonlyMap<string, number> {
    return this.#neighbours.trunks();
  }

  /** A peer's own trunk. */
  trunkOf(peer: string): TrunkWay | undefined {
    return this.#neighbours.trunkOf(peer);
  }

  /** A segment has other ways. */
  fabricChanged(segment: string): void {
    for (const host of this.#vlans.values()) {
      if (host.fabricChanged(segment)) {
        return;
      }
    }
  }

  /** A peer's trunk came, went, or has another carrier. */
  trunkChanged(peer: string, trunk: TrunkWay | undefined): void {
    this.#neighbours.setTrunk(peer, trunk);
    for (const host of this.#vlans.values()) {
      host.trunksChanged();
    }
  }

  /** A worker died: it gets new salts before its next incarnation runs. */
  workerDied(worker: number): void {
    for (const host of this.#vlans.values()) {
      host.input({ kind: 'worker-restarted', worker });
    }
  }

  /** Announces this node anew in every VLAN: what it said last may have met no lane. */
  greet(): void {
    for (const host of this.#vlans.values()) {
      host.input({ kind: 'neighbour' });
    }
  }

  /** Announces this node anew where a peer shares the VLAN: what both said last may have been lost on the way. */
  greetPeer(peer: string): void {
    for (const id of this.#neighbours.sharedWith(peer)) {
      this.#vlans.get(id)?.input({ kind: 'neighbour' });
    }
  }

  /** Looks after what time does; call it a few times a second. */
  poll(): void {
    for (const host of this.#vlans.values()) {
      host.poll();
    }
  }

  /** The wall clock was set, or compared with others'. */
  clockChanged(unixOffsetMs: number): void {
    for (const host of this.#vlans.values()) {
      host.input({ kind: 'clock', unixOffsetMs });
    }
  }

  #attachIfAsked(host: VlanHost, attachment: VlanAttachmentRequest | undefined): void {
    if (attachment !== undefined) {
      this.#parts.tapOpened(host.attach(this.#tapRequest(host.vlanId, attachment)));
    }
  }

  #create(id: string, request: VlanRequest): VlanHost {
    const { identity, workerCount } = this.#parts;
    const policy = { ...this.#defaultPolicy(), ...request.policy };
    const { tokenPeriodSeconds, movingHosts } = policy;
    const kind = request.kind ?? 'open';
    const cipher = CIPHERS[policy.cipher];
    const link = VlanLink.open(
      {
        kind,
        writers: this.#parts.writers,
        injector: this.#parts.injector,
        workerCount,
        cipher,
        tokenPeriodSeconds,
        movingHosts,
        deriveTokens: this.#parts.deriveTokens,
        fabric: this.#parts.fabric,
        drops: this.#parts.drops,
        trunkOf: (peer) => this.#neighbours.trunkOf(peer),
        nowMs: () => this.#parts.nowMs(),
        unixMs: () => this.#parts.nowMs() + this.#parts.unixOffsetMs(),
        anyWorker: () => this.#parts.anyWorker(),
      },
      request.attachment?.mtuBytes ?? DEFAULT_MTU_BYTES,
    );
    if (link === undefined) {
      throw new VlanError('too-many-vlans', 'The tables have no room for another VLAN; leave one first.');
    }
    link.routes.setRank(request.attachment?.treeRank ?? DEFAULT_TREE_RANK);
    const options = {
      kind,
      vlanId: request.idBytes,
      publicKey: identity.publicKey,
      workerCount,
      cipher,
      tokenPeriodSeconds,
      movingHosts,
      membersMax: Math.min(policy.membersMax, MEMBERSHIP_LIMIT.members),
      unixOffsetMs: this.#parts.unixOffsetMs(),
    };
    return new VlanHost({
      self: identity.peerId,
      link,
      options,
      taps: this.#parts.taps,
      ports: createNodePorts(identity.privateKey.subarray(0, SEED_BYTES), link),
      drops: this.#parts.drops,
      nowMs: () => this.#parts.nowMs(),
      notice: (notice) => {
        this.#notice(id, notice);
      },
      debug: (subsystem, effect) => {
        this.#parts.debug(subsystem, effect);
      },
    });
  }

  /** What a VLAN is whose record says nothing. */
  #defaultPolicy(): VlanPolicy {
    const { tokenPeriodSeconds } = this.#parts;
    const membersMax = MEMBERSHIP_LIMIT.members;
    return { cipher: 'aes-256-gcm', tokenPeriodSeconds, movingHosts: 'refuse', membersMax };
  }

  #tapRequest(vlanId: Uint8Array, attachment: VlanAttachmentRequest): TapRequest {
    return {
      name: attachment.interface,
      addresses: attachment.addresses,
      mtuBytes: attachment.mtuBytes,
      multicast: attachment.multicast,
      paths: attachment.paths,
      treeRank: attachment.treeRank,
      mac: interfaceMac(this.#parts.identity.nodeSecret, vlanId),
    };
  }

  #notice(id: string, notice: VlanNotice): void {
    const log = (level: DataplaneLogEntry['level'], code: string, message: string): void => {
      const label = vlanLabel(id, this.#vlans.get(id)?.interfaceName);
      this.#parts.log({ level, subsystem: 'membership', code, message: `VLAN ${label}: ${message}` });
    };
    switch (notice.kind) {
      case 'member-up':
        return log('info', 'member-up', `${notice.peer} is here`);
      case 'member-down':
        return log('info', 'member-down', `${notice.peer} is gone (${notice.reason})`);
      case 'notice':
        return log('warn', notice.code, notice.message);
    }
  }
}
