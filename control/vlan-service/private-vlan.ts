/**
 * One private VLAN of this node, from the wish to be in to the way out.
 *
 *   outside ──AdmissionClient: admitted, Welcome──▶ inside ──expelled, left──▶ outside
 *
 *   inside:  GroupDriver (order of commits) ──settled──▶ frame path, registry, desk
 *            DeskDriver (who may come in)   ──admit────▶ GroupDriver
 *
 * Main thread. The exchange stream's gossip and objects go to the group, its admission messages to desk or client.
 */
import { hostname } from 'node:os';
import { hexToBytes } from '@noble/hashes/utils.js';
import { encodeCredential, nextSequence } from '../admission/credentials.ts';
import type { AdmissionRequest, DeskSituation } from '../admission/desk-port.ts';
import type { VlanExchange } from '../exchange/exchange-hub.ts';
import { GroupDriver } from '../membership/group/group-driver.ts';
import type { Group, GroupState } from '../membership/group/group-port.ts';
import { statesOfHead } from '../membership/group/order/head.ts';
import type {
  NoticeEffect,
  OrderInput,
  OrderStatus,
  SettledEffect,
  WelcomeEffect,
} from '../membership/group/order/order-port.ts';
import { deriveEpochKeys, type EpochKeys } from '../vlan/epoch-keys.ts';
import { parseInvite } from '../vlan/invite.ts';
import { openRecord, type SignedRecord } from '../vlan/vlan-record.ts';
import type { VlanEntry } from '../vlan/vlan-registry.ts';
import type { VlanMembership } from '../vlan/vlan-state.ts';
import { ClientDriver } from './client-driver.ts';
import { DeskDriver } from './desk-driver.ts';
import { deskSituation, groupReaders, refusalOf, standingOf } from './group-facts.ts';
import type { GroupFiles } from './group-files.ts';
import { WelcomeGuests } from './welcome-guests.ts';

/** How long a leaving node waits for the others to see to it. */
const LEAVE_MS = 3_000;
const RECENT_EPOCHS = 3;
const STATE_LOST = 'the state of this private VLAN is missing or damaged';

/** This node, as members know it. */
export interface NodeSelf {
  readonly peerId: string;
  readonly randomBytes: (count: number) => Uint8Array;
  readonly sign: (bytes: Uint8Array) => Uint8Array;
  readonly verify: (publicKey: Uint8Array, bytes: Uint8Array, signature: Uint8Array) => boolean;
}

/** What a private VLAN tells the node. */
export interface PrivateVlanEvents {
  /** The frame path goes over to this state. */
  settled(state: GroupState, removedByAdmin: boolean): void;
  /** A checked record came with the group or with an admission. */
  record(signed: SignedRecord): void;
  /** Note the standing durably. */
  standing(membership: VlanMembership): void;
  /** This node is out: nothing of the VLAN is to be sent or opened any more. */
  out(): void;
  /** A leave that was cut short by the end of the process has come about: it is to be finished. */
  left(): void;
  /** Have a trunk to this peer, who is or knows a member. */
  seek(peer: string, addresses: readonly string[]): void;
  log(level: 'info' | 'warn' | 'error', code: string, message: string, peer: string | undefined): void;
  debug?(effect: { readonly kind: string }): void;
}

/** What it is made of. */
export interface PrivateVlanParts {
  /** As the registry has it now. */
  entry(): VlanEntry;
  readonly self: NodeSelf;
  readonly exchange: VlanExchange;
  readonly group: Group;
  readonly files: GroupFiles;
  addressesOf(peer: string): readonly string[];
  rttMs(peer: string): number | undefined;
  nowMs(): number;
  unixMs(): number;
  readonly events: PrivateVlanEvents;
}

/** See the file's head. */
export class PrivateVlan {
  readonly #parts: PrivateVlanParts;
  #driver: GroupDriver | undefined;
  #desk: DeskDriver | undefined;
  #client: ClientDriver | undefined;
  #state: GroupState | undefined;
  /** Of the latest epochs, newest first: members change over one by one. */
  #recent: readonly EpochKeys[] = [];
  #whenLeft: (() => void) | undefined;
  readonly #guests = new WelcomeGuests();
  #isStopped = false;

  constructor(parts: PrivateVlanParts) {
    this.#parts = parts;
  }

  /** The settled state; undefined outside, and before the first one. */
  get state(): GroupState | undefined {
    return this.#state;
  }

  /** Keys of the epochs that other members may still be in, newest first. */
  get recentEpochs(): readonly EpochKeys[] {
    return this.#recent;
  }

  /** Outside: whether an admin has to say yes, as far as is known. */
  get isWaiting(): boolean {
    return this.#client?.isWaiting ?? false;
  }

  /** Outside: why it is not in yet, in words, if something went wrong. */
  get outsideReason(): string | null {
    return this.#client?.reason ?? null;
  }

  /** What the order machine knows; undefined outside. */
  status(): OrderStatus | undefined {
    return this.#driver?.status();
  }

  /** Where those who want in are heard; undefined outside. */
  get desk(): DeskDriver | undefined {
    return this.#desk;
  }

  /** Those who wait for an admin's word. */
  requests(): readonly AdmissionRequest[] {
    return this.#desk?.requests() ?? [];
  }

  /** What was counted since the start, by name. */
  counters(): Readonly<Record<string, number>> {
    const counters: Record<string, number> = { ...this.#driver?.status().counters };
    for (const [name, value] of this.#desk?.counters ?? []) counters[`admission-${name}`] = value;
    return counters;
  }

  /** Goes on where the registry says that this node stands. @throws Error when the state on disk cannot be read */
  async start(): Promise<void> {
    const entry = this.#parts.entry();
    if (entry.membership?.state === 'waiting') {
      this.#ask();
    } else if (entry.membership?.state === 'member') {
      await this.#goOn(entry);
    }
  }

  /** Says and does nothing more; what is on disk stays. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#client?.stop();
    this.#driver?.stop();
    this.#desk?.stop();
    await this.#parts.files.head.idle();
    await this.#parts.files.desk.idle();
  }

  // ── What a person asks for ───────────────────────────────────────────────────────────────────────────

  /** Puts a member out, signed by this node, an admin. */
  remove(peer: string): void {
    const { self } = this.#parts;
    const sequence = nextSequence(
      this.#state === undefined ? undefined : standingOf(this.#state, peer),
      this.#parts.unixMs(),
    );
    const facts = { kind: 'tombstone', peer, sequence, admin: self.peerId } as const;
    const tombstone = encodeCredential(facts, this.#parts.entry().idBytes, self.sign);
    this.#driver?.input({ kind: 'propose-remove', peer, tombstone });
  }

  /** A newer record of the VLAN, for the group's policy. */
  setRecord(signed: SignedRecord): void {
    this.#driver?.input({ kind: 'set-policy', record: signed.bytes });
    this.#client?.input({ kind: 'record', record: signed });
  }

  /** Leaves: @returns when the others have taken this node out, or had time to; nothing is on disk then */
  async leave(): Promise<void> {
    this.#client?.input({ kind: 'stop' });
    if (this.#driver !== undefined) {
      const left = new Promise<void>((resolve) => {
        this.#whenLeft = resolve;
      });
      this.#driver.input({ kind: 'leave' });
      const timeout = new Promise<void>((resolve) => setTimeout(resolve, LEAVE_MS));
      await Promise.race([left, timeout]);
    }
    await this.stop();
    await this.#parts.files.destroy();
  }

  // ── What comes over the exchange ─────────────────────────────────────────────────────────────────────

  peerUp(peer: string): void {
    this.#driver?.peerUp(peer);
    this.#client?.input({ kind: 'peer-up', peer });
  }

  peerDown(peer: string): void {
    this.#driver?.input({ kind: 'peer-down', peer });
    this.#client?.input({ kind: 'peer-down', peer });
  }

  gossip(peer: string, bytes: Uint8Array): void {
    this.#driver?.input({ kind: 'message', peer, bytes });
  }

  admission(peer: string, bytes: Uint8Array): void {
    this.#desk?.input({ kind: 'message', peer, bytes });
    this.#client?.input({ kind: 'message', peer, bytes });
  }

  object(digest: string, bytes: Uint8Array | undefined): void {
    this.#client?.object(digest, bytes);
    this.#driver?.input({ kind: 'object', digest, bytes });
  }

  // ── Outside ──────────────────────────────────────────────────────────────────────────────────────────

  #ask(): void {
    const { self, exchange, group, events } = this.#parts;
    const { idBytes, record, membership } = this.#parts.entry();
    const invite = membership?.invite === null ? undefined : parseInvite(membership?.invite ?? '');
    this.#client = new ClientDriver({
      options: {
        self: self.peerId,
        vlanId: idBytes,
        invite: invite?.ok === true ? invite.invite : undefined,
        record,
        note: hostname(),
        random: Math.random,
      },
      exchange,
      group,
      unixMs: () => this.#parts.unixMs(),
      standing: (change) => {
        const present = this.#parts.entry().membership;
        if (present !== undefined)
          events.standing({
            ...present,
            state: change.state,
            reason: change.reason,
            admission: change.admission,
          });
      },
      record: (signed) => events.record(signed),
      seek: (peer, addresses) => events.seek(peer, addresses),
      joined: (state, admission) => {
        this.#client = undefined;
        this.#enter({ kind: 'start', from: 'joined', state, admission });
      },
      log: (level, code, message) => this.#log(level, code, message),
    });
    this.#client.start();
  }

  // ── Inside ───────────────────────────────────────────────────────────────────────────────────────────

  async #goOn(entry: VlanEntry): Promise<void> {
    const { group, files, events } = this.#parts;
    const head = files.head.read();
    const wanted = head === undefined ? undefined : statesOfHead(head);
    if (head !== undefined && wanted !== undefined) {
      const states = await group.restore(wanted);
      this.#enter({ kind: 'start', from: 'restore', head, states });
    } else if (entry.owned && entry.record !== undefined) {
      if (head !== undefined) this.#log('warn', 'state-lost', `${STATE_LOST}: beginning a new group`);
      this.#create(entry.idBytes, entry.record);
    } else if (entry.membership !== undefined) {
      this.#log('warn', 'state-lost', `${STATE_LOST}: asking to come in anew`);
      events.standing({ ...entry.membership, state: 'waiting' });
      this.#ask();
    }
  }

  /** The owner's node begins the group, and admits itself. */
  #create(vlanId: Uint8Array, record: SignedRecord): void {
    const { self } = this.#parts;
    const sequence = nextSequence(undefined, this.#parts.unixMs());
    const facts = {
      kind: 'admission',
      peer: self.peerId,
      sequence,
      admin: self.peerId,
      role: 'admin',
    } as const;
    const admission = encodeCredential(facts, vlanId, self.sign);
    this.#enter({ kind: 'start', from: 'create', record: record.bytes, admission });
  }

  #enter(start: Extract<OrderInput, { readonly kind: 'start' }>): void {
    const { self, exchange, group, files } = this.#parts;
    if (this.#isStopped) return;
    const { idBytes } = this.#parts.entry();
    this.#driver = new GroupDriver({
      options: {
        vlanId: idBytes,
        self: self.peerId,
        unixOffsetMs: this.#parts.unixMs() - this.#parts.nowMs(),
      },
      ports: { ...self, ...groupReaders(idBytes) },
      group,
      exchange,
      writeHead: (head) => files.head.write(head),
      rttMs: (peer) => this.#parts.rttMs(peer),
      nowMs: () => this.#parts.nowMs(),
      debug: (effect) => this.#parts.events.debug?.(effect),
      events: {
        settled: (effect) => this.#settled(effect),
        welcome: (effect) => this.#welcome(effect),
        expelled: (by) => this.#expelled(by),
        left: () => (this.#whenLeft ?? (() => this.#parts.events.left()))(),
        notice: (notice) => this.#notice(notice),
      },
    });
    this.#driver.start(start);
  }

  #settled({ state, record, removedByAdmin }: SettledEffect): void {
    this.#state = state;
    this.#recent = [deriveEpochKeys(state.secret), ...(removedByAdmin ? [] : this.#recent)].slice(
      0,
      RECENT_EPOCHS,
    );
    const opened = openRecord(record, this.#parts.entry().idBytes);
    if (opened.ok) this.#parts.events.record(opened.signed);
    this.#parts.events.settled(state, removedByAdmin);
    const known = this.#parts.entry().record ?? (opened.ok ? opened.signed : undefined);
    const situation = deskSituation(state, known);
    if (situation === undefined) return;
    if (this.#desk === undefined) this.#desk = this.#openDesk(situation);
    else this.#desk.input({ kind: 'situation', situation });
  }

  #openDesk(situation: DeskSituation): DeskDriver {
    const { self, files, exchange } = this.#parts;
    return new DeskDriver({
      options: {
        self: self.peerId,
        vlanId: this.#parts.entry().idBytes,
        sign: self.sign,
        addressesOf: (peer) => this.#parts.addressesOf(peer),
      },
      situation,
      stored: files.desk.read(),
      save: (bytes) => files.desk.write(bytes),
      send: (peer, bytes) => {
        exchange.send(peer, 'admission', bytes);
      },
      admit: (peer, keyPackage, admission) => {
        this.#driver?.input({ kind: 'propose-add', peer, keyPackage, admission });
      },
      notice: (level, message, peer) => {
        this.#log(level, 'admission', message, peer);
      },
      unixMs: () => this.#parts.unixMs(),
    });
  }

  /** One Welcome may be for several who come in by one commit, and members pass it on to their own. */
  #welcome({ peer, digest, bytes }: WelcomeEffect): void {
    const guests = this.#guests.add(digest, peer);
    const mayFetch = (asker: string) => guests.has(asker) || this.#driver?.mayFetch(asker) === true;
    this.#parts.exchange.offer(digest, bytes, mayFetch);
    this.#desk?.input({ kind: 'welcome', peer, digest: hexToBytes(digest) });
  }

  #expelled(by: string): void {
    const { membership } = this.#parts.entry();
    this.#driver?.stop();
    this.#desk?.stop();
    [this.#driver, this.#desk, this.#state, this.#recent] = [undefined, undefined, undefined, []];
    if (membership !== undefined) {
      const out = { state: 'expelled', reason: `put out by the admin ${by}`, admission: null } as const;
      this.#parts.events.standing({ ...membership, ...out });
    }
    this.#parts.events.out();
    void this.#parts.files.destroy();
  }

  #notice({ code, peer, detail }: NoticeEffect): void {
    if (code === 'add-refused') {
      const refusal = refusalOf(this.#state, this.#parts.entry().record);
      this.#desk?.input({ kind: 'add-failed', peer, refusal });
    }
    const level = code.endsWith('-failed') ? 'error' : 'warn';
    this.#log(level, code, detail, peer === '' ? undefined : peer);
  }

  #log(level: 'info' | 'warn' | 'error', code: string, message: string, peer?: string): void {
    this.#parts.events.log(level, code, message, peer);
  }
}
