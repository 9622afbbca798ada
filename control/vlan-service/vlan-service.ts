/**
 * The VLANs of this node: what the registry knows, at work in the data plane, over the exchange, and in their groups.
 *
 *   commands, config ──▶ VlanRegistry (disk) ──▶ VlanWork: exchange │ data plane │ PrivateVlan
 *
 * Main thread. A wish is on disk before it is carried out, and taken back when the kernel refuses it.
 */
import { randomBytes } from 'node:crypto';
import { reasonOf } from '../../dataplane/base/error-reason.ts';
import type { CreateRequest, JoinRequest, VlanReport } from '../admin/daemon-control.ts';
import type { DiscoveryVlan } from '../discovery/discovery-port.ts';
import type { VlanExchange } from '../exchange/exchange-hub.ts';
import type { PayloadKind } from '../exchange/exchange-message.ts';
import type { WantedVlan } from '../vlan/vlan-entries.ts';
import { VlanError } from '../vlan/vlan-error.ts';
import { vlanLabel } from '../vlan/vlan-id.ts';
import type { SignedRecord } from '../vlan/vlan-record.ts';
import type { VlanEntry } from '../vlan/vlan-registry.ts';
import { discoveryVlan } from './discovery-vlan.ts';
import { groupFiles } from './group-files.ts';
import { PrivateVlan } from './private-vlan.ts';
import { Turns } from './turns.ts';
import type { VlanServiceParts } from './vlan-parts.ts';
import { type VlanFacts, vlanReport } from './vlan-reports.ts';
import {
  invitedBy,
  isIdle,
  isShut,
  policyText,
  requestOf,
  wantedBy,
  withoutInterface,
} from './vlan-wishes.ts';

const VLAN_SEED_BYTES = 32;

/** A VLAN at work. */
interface VlanWork {
  readonly exchange: VlanExchange;
  /** As the data plane was told when it joined. */
  policy: string;
  inner: PrivateVlan | undefined;
}

/** What others hear of a VLAN and its exchange, beside what its group takes. */
export interface VlanListener {
  /** At work from now on, or with another record. */
  vlan(entry: VlanEntry): void;
  vlanGone(entry: VlanEntry): void;
  peerUp(entry: VlanEntry, peer: string): void;
  peerDown(entry: VlanEntry, peer: string): void;
  message(entry: VlanEntry, peer: string, kind: 'record' | 'presence', bytes: Uint8Array): void;
}

/** See the file's head. */
export class VlanService {
  readonly #parts: VlanServiceParts;
  readonly #work = new Map<string, VlanWork>();
  readonly #listener: VlanListener;
  readonly #turns = new Turns();
  #isStopped = false;

  constructor(parts: VlanServiceParts, listener: VlanListener) {
    this.#parts = parts;
    this.#listener = listener;
  }

  /** Joins all VLANs. @throws SystemError when one of the config cannot come up */
  async start(): Promise<void> {
    for (const entry of this.#parts.registry.list()) await this.#beginAtStart(entry);
  }

  /** Ends what is at work; the data plane leaves by itself, and what is on disk stays. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    const inner = [...this.#work.values()].flatMap((work) => work.inner ?? []);
    await Promise.all(inner.map((vlan) => vlan.stop()));
  }

  /** Takes over the VLANs of a changed config. @throws VlanError `too-many-vlans`; then nothing has changed */
  async reload(wanted: readonly WantedVlan[]): Promise<void> {
    const { registry, vlans } = this.#parts;
    const changes = registry.reconfigure(wanted);
    for (const entry of changes.removed) await this.#turns.take(entry.id, () => this.#end(entry));
    for (const { after } of changes.changed) {
      await this.#attempt(after, () => vlans.change(after.id, after.attachment));
    }
    const tried = new Set(changes.changed.map(({ after }) => after.id));
    for (const entry of registry.list()) {
      if (!tried.has(entry.id) && this.#isWanting(entry)) {
        await this.#turns.take(entry.id, () => this.#attempt(entry, () => this.#begin(entry)));
      }
    }
    this.#parts.events.changed();
  }

  /** The exchange of a VLAN at work. */
  exchangeOf(id: string): VlanExchange | undefined {
    return this.#work.get(id)?.exchange;
  }

  /** The group of a private VLAN at work. */
  innerOf(id: string): PrivateVlan | undefined {
    return this.#work.get(id)?.inner;
  }

  /** Ids of the VLANs in which this node is, or wants to be: what trunks look for in common. */
  wantedIds(): readonly Uint8Array[] {
    return this.#parts.registry
      .list()
      .filter((entry) => !isShut(entry))
      .map((entry) => entry.idBytes);
  }

  /** The VLANs as discovery looks for others in them. */
  discoveryVlans(): readonly DiscoveryVlan[] {
    const entries = this.#parts.registry.list().filter((entry) => !isShut(entry));
    return entries.map((entry) =>
      discoveryVlan(entry, this.#work.get(entry.id)?.inner, this.#parts.unixMs()),
    );
  }

  // ── What a person asks for ───────────────────────────────────────────────────────────────────────────

  reports(): readonly VlanReport[] {
    return this.#parts.registry.list().map((entry) => vlanReport(this.factsOf(entry)));
  }

  async create({ name, private: isPrivate, subnet }: CreateRequest): Promise<VlanReport> {
    const { registry, self } = this.#parts;
    const kind = isPrivate ? 'private' : 'open';
    const facts = { kind, subnet, owner: self.peerId, unixMs: this.#parts.unixMs() } as const;
    const entry = registry.create(name, randomBytes(VLAN_SEED_BYTES), facts);
    await this.#begin(entry);
    this.#parts.events.changed();
    return vlanReport(this.factsOf(entry));
  }

  async join(request: JoinRequest): Promise<VlanReport> {
    const wanted = wantedBy(request, this.#parts.unixMs());
    return this.#turns.take(wanted.id, () => this.#join(wanted, request));
  }

  async #join(wanted: WantedVlan, request: JoinRequest): Promise<VlanReport> {
    const { registry, events } = this.#parts;
    const before = registry.find(wanted.id);
    const entry = registry.join(wanted);
    try {
      await this.#begin(entry);
    } catch (error) {
      registry.undoJoin(entry.id, before);
      if (before === undefined) await this.#end(entry);
      throw error;
    }
    events.changed();
    events.seek(entry.idBytes, invitedBy(request.invite));
    return vlanReport(this.factsOf(this.required(entry.id)));
  }

  leave(id: string): Promise<void> {
    return this.#turns.take(id, async () => {
      const entry = this.required(id);
      const wasLast = this.innerOf(id)?.state?.members.length === 1;
      await this.#end(entry, 'for good');
      this.#parts.registry.leave(id, wasLast);
      this.#parts.events.changed();
    });
  }

  // ── Records ──────────────────────────────────────────────────────────────────────────────────────────

  /** A checked record came from somewhere: takes it over if it is news. */
  learnRecord(signed: SignedRecord): void {
    const { registry, events } = this.#parts;
    const before = registry.find(signed.id);
    const outcome = this.#writeDown(signed.id, () => registry.acceptRecord(signed, this.#parts.unixMs()));
    if (outcome === 'kind-differs') {
      events.log(
        'warn',
        'record-refused',
        'a record of another kind was refused',
        labelOf(before, signed.id),
      );
    }
    if (outcome !== 'stored') return;
    const after = registry.find(signed.id);
    if (before?.kind === 'open' && after?.kind === 'private') {
      void this.#turns.take(after.id, () => this.#attempt(after, () => this.#becomePrivate(after.id)));
    } else this.#recordChanged(signed);
  }

  /** Signs a changed record as the VLAN's owner. @throws VlanError */
  changeRecord(entry: VlanEntry, changes: Readonly<Record<string, string>>): void {
    this.#recordChanged(this.#parts.registry.change(entry.id, changes, this.#parts.unixMs()));
  }

  #recordChanged(signed: SignedRecord): void {
    this.#work.get(signed.id)?.inner?.setRecord(signed);
    const entry = this.#parts.registry.find(signed.id);
    const work = this.#work.get(signed.id);
    if (entry === undefined || work === undefined) return;
    this.#listener.vlan(entry);
    if (policyText(entry) !== work.policy) {
      work.policy = policyText(entry);
      void this.#turns.take(entry.id, () => this.#attempt(entry, () => this.#rejoin(entry.id, work)));
    }
    this.#parts.events.changed();
  }

  /** Cipher, token period and the like hold for a VLAN's whole stay in the data plane: it begins a new one. */
  async #rejoin(id: string, work: VlanWork): Promise<void> {
    const { vlans, registry } = this.#parts;
    const entry = registry.find(id);
    if (entry === undefined || this.#work.get(id) !== work) return; // Left meanwhile.
    this.#log(entry, 'info', 'policy-changed', 'its owner changed how it works: it begins anew here');
    await vlans.leave(id);
    const host = await vlans.join(requestOf(entry));
    if (work.inner?.state !== undefined) host.setGroupEpoch(work.inner.state, false);
  }

  /** Joined by a bare id and taken for open: it leaves what it was in, and asks to be admitted. */
  async #becomePrivate(id: string): Promise<void> {
    const entry = this.#parts.registry.find(id);
    if (entry === undefined) return; // Left meanwhile.
    this.#log(entry, 'info', 'is-private', 'this VLAN is private: asking its admins to be admitted');
    await this.#end(entry);
    await this.#begin(entry);
    this.#parts.events.changed();
  }

  // ── Beginning and ending ─────────────────────────────────────────────────────────────────────────────

  async #begin(entry: VlanEntry): Promise<void> {
    await this.#attach(entry);
    if (this.#isStopped) return;
    const work = this.#work.get(entry.id) ?? this.#open(entry);
    if (entry.kind === 'private' && isIdle(entry, work.inner)) {
      await work.inner?.stop();
      work.inner = this.#openPrivate(entry, work.exchange);
      await work.inner.start();
    }
  }

  /** Who asks to be let in again has its interface already, perhaps with other addresses. */
  async #attach(entry: VlanEntry): Promise<void> {
    const { vlans } = this.#parts;
    const name = vlans.find(entry.id)?.interfaceName;
    if (name === undefined) await vlans.join(requestOf(entry));
    else await vlans.change(entry.id, entry.attachment);
  }

  async #end(entry: VlanEntry, how: 'for good' | 'for now' = 'for now'): Promise<void> {
    const inner = this.#work.get(entry.id)?.inner;
    await this.#parts.vlans.leave(entry.id);
    // The others are told over the exchange, which ends after it.
    await (how === 'for good' ? inner?.leave() : inner?.stop());
    this.#work.delete(entry.id);
    this.#parts.hub.remove(entry.idBytes);
    this.#listener.vlanGone(entry);
  }

  #open(entry: VlanEntry): VlanWork {
    const { id } = entry;
    const inner = (): PrivateVlan | undefined => this.#work.get(id)?.inner;
    const exchange = this.#parts.hub.add(entry.idBytes, {
      peerUp: (peer) => {
        inner()?.peerUp(peer);
        this.#listener.peerUp(entry, peer);
      },
      peerDown: (peer) => {
        inner()?.peerDown(peer);
        this.#listener.peerDown(entry, peer);
      },
      message: (peer, kind, bytes) => this.#message(entry, peer, { kind, bytes }),
      object: (digest, bytes) => inner()?.object(digest, bytes),
    });
    const work: VlanWork = { exchange, policy: policyText(entry), inner: undefined };
    this.#work.set(id, work);
    this.#listener.vlan(entry);
    return work;
  }

  #message(entry: VlanEntry, peer: string, message: { kind: PayloadKind; bytes: Uint8Array }): void {
    const inner = this.#work.get(entry.id)?.inner;
    if (message.kind === 'gossip') inner?.gossip(peer, message.bytes);
    else if (message.kind === 'admission') inner?.admission(peer, message.bytes);
    else this.#listener.message(entry, peer, message.kind, message.bytes);
  }

  #openPrivate({ id, idBytes }: VlanEntry, exchange: VlanExchange): PrivateVlan {
    const { registry, self, stateDirectory, vlans, events } = this.#parts;
    const files = groupFiles(stateDirectory, id);
    return new PrivateVlan({
      entry: () => this.required(id),
      self,
      exchange,
      group: this.#parts.openGroup(idBytes, files.states),
      files,
      addressesOf: (peer) => this.addressesOf(peer),
      rttMs: (peer) => this.#parts.peer(peer)?.rttMs,
      nowMs: () => this.#parts.nowMs(),
      unixMs: () => this.#parts.unixMs(),
      events: {
        settled: (state, removedByAdmin) => {
          vlans.find(id)?.setGroupEpoch(state, removedByAdmin);
          events.changed();
        },
        record: (signed) => this.learnRecord(signed),
        standing: (membership) => this.#writeDown(id, () => registry.setMembership(membership)),
        out: () => {
          void vlans.leave(id);
          events.changed();
        },
        left: () => void this.leave(id).catch(() => undefined),
        seek: (peer, addresses) => events.seek(idBytes, [{ peer, addresses }]),
        debug: (effect) => events.debug?.('group', effect),
        log: (level, code, message, peer) => {
          const about = peer === undefined ? message : `${message} (${peer})`;
          this.#log(registry.find(id), level, code, about);
        },
      },
    });
  }

  /** A VLAN of the config must come up; one joined at run time must not keep the daemon from starting. */
  async #beginAtStart(entry: VlanEntry): Promise<void> {
    if (isShut(entry)) return;
    try {
      await this.#begin(entry);
    } catch (error) {
      if (entry.source === 'config') throw error;
      this.#log(entry, 'error', 'no-interface', `it is without its interface: ${reasonOf(error)}`);
      await this.#begin(withoutInterface(entry));
    }
  }

  /** New, or without its interface since an earlier attempt failed: whatever was in the way may be gone. */
  #isWanting(entry: VlanEntry): boolean {
    const host = this.#parts.vlans.find(entry.id);
    return host === undefined || (entry.attachment !== undefined && host.interfaceName === undefined);
  }

  async #attempt(entry: VlanEntry, action: () => Promise<unknown>): Promise<void> {
    try {
      await action();
    } catch (error) {
      this.#log(entry, 'error', 'vlan-failed', `could not be taken over: ${reasonOf(error)}`);
    }
  }

  /** What comes from streams and timers must not end the daemon when the disk is full, or the VLAN was just left. */
  #writeDown<T>(id: string, act: () => T): T | undefined {
    try {
      return act();
    } catch (error) {
      this.#log(this.#parts.registry.find(id), 'error', 'state-unwritable', reasonOf(error));
      return undefined;
    }
  }

  // ── Small things ─────────────────────────────────────────────────────────────────────────────────────

  /** What reports are made from. */
  factsOf(entry: VlanEntry): VlanFacts {
    const { vlans, self } = this.#parts;
    const host = vlans.find(entry.id);
    return { entry, host, inner: this.#work.get(entry.id)?.inner, self: self.peerId };
  }

  /** @throws VlanError `not-a-member` */
  required(id: string): VlanEntry {
    const entry = this.#parts.registry.find(id);
    if (entry === undefined) {
      throw new VlanError(
        'not-a-member',
        `This node is not in ${id}; \`peertap vlan list\` shows where it is.`,
      );
    }
    return entry;
  }

  /** Where a peer may be reached, this node included. */
  addressesOf(peer: string): readonly string[] {
    if (peer === this.#parts.self.peerId) return this.#parts.ownAddresses();
    return this.#parts.peer(peer)?.addresses ?? [];
  }

  #log(entry: VlanEntry | undefined, level: 'info' | 'warn' | 'error', code: string, message: string): void {
    const label = labelOf(entry, entry?.id ?? '');
    this.#parts.events.log(level, code, `VLAN ${label}: ${message}`, label);
  }
}

function labelOf(entry: VlanEntry | undefined, id: string): string {
  return vlanLabel(id, entry?.attachment?.interface);
}
