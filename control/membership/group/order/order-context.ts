/**
 * What the parts of one order machine share: what is known, the states that are kept, and the way out for effects.
 *
 *   known    standings, record, rebuild │ heartbeats │ adds, leaves │ commits (commit-book.ts)
 *   kept     head and its last ancestors, and candidates, each with roster and policy
 *
 * Main thread and simulation; no I/O. Each table is bounded where it is filled.
 */
import type { Credential } from '../../../admission/credentials.ts';
import type { GroupJob, GroupMember, GroupResult, GroupState, StateId } from '../group-port.ts';
import { CommitBook } from './commit-book.ts';
import type { AddItem, Heartbeat, ItemFields, LeaveItem, RebuildItem } from './item.ts';
import { NO_TAG, signItem } from './item.ts';
import {
  type NoticeEffect,
  ORDER_COUNTERS,
  ORDER_LIMIT,
  ORDER_TIMING,
  type OrderCounter,
  type OrderEffect,
  type OrderOptions,
  type OrderPorts,
  type OrderStatus,
  type RecordFacts,
} from './order-port.ts';
import { decodePolicy, type GroupPolicy } from './policy-extension.ts';
import { Standings } from './standings.ts';

/** A state and what this node reads in it. */
export interface Kept {
  readonly state: GroupState;
  readonly policy: GroupPolicy;
  readonly record: RecordFacts;
  /** By PeerId. */
  readonly roster: ReadonlyMap<string, GroupMember>;
  /** Since when it is not the head any more, or not yet. */
  idleSinceMs: number;
}

/** A member's latest heartbeat. */
export interface Heard {
  readonly item: Heartbeat;
  readonly atMs: number;
}

/** Credentials that were verified: all standings, and as many adds and admissions. */
const VERIFIED_MAX = 2_048;

type Continuation = (result: GroupResult) => void;

/** See the file's head. */
export class OrderContext {
  readonly options: OrderOptions;
  readonly ports: OrderPorts;
  readonly counters: Record<OrderCounter, number>;
  readonly book = new CommitBook();
  readonly kept = new Map<StateId, Kept>();
  readonly heartbeats = new Map<string, Heard>();
  readonly adds = new Map<string, AddItem>();
  readonly leaves = new Map<string, LeaveItem>();
  /** Peers that are or were members, or have shown an admission. */
  readonly familiar = new Set<string>();
  standings = Standings.none;
  /** The newest that is known, and as gossip carries it. */
  record: { readonly bytes: Uint8Array; readonly facts: RecordFacts; readonly item: Uint8Array } | undefined;
  rebuild: RebuildItem | undefined;
  admission: Uint8Array = new Uint8Array(0);
  head: Kept | undefined;
  phase: OrderStatus['phase'] = 'waiting';
  isLeaving = false;
  /** A commit has taken this node out as it had asked. */
  hasLeft = false;
  /** States of own commits that are being written, or wait outside for others to follow; they must be kept. */
  readonly pinned = new Set<StateId>();
  nowMs = 0;
  unixOffsetMs: number;
  /** Something happened that may change what is to be done. */
  isDirty = false;
  /** And which branch counts may have changed with it. */
  haveHeadsMoved = false;
  #effects: OrderEffect[] = [];
  #nextJob = 1;
  readonly #jobs = new Map<number, Continuation>();
  readonly #noticedAtMs = new Map<string, number>();
  readonly #lostAtMs = new Map<string, number>();
  readonly #verified = new Map<string, Credential>();

  constructor(options: OrderOptions, ports: OrderPorts) {
    this.options = options;
    this.ports = ports;
    this.unixOffsetMs = options.unixOffsetMs;
    this.counters = Object.fromEntries(ORDER_COUNTERS.map((name) => [name, 0])) as Record<
      OrderCounter,
      number
    >;
  }

  get self(): string {
    return this.options.self;
  }

  // ── Effects ──────────────────────────────────────────────────────────────────────────────────────────

  emit(effect: OrderEffect): void {
    this.#effects.push(effect);
  }

  takeEffects(): readonly OrderEffect[] {
    const effects = this.#effects;
    this.#effects = [];
    return effects;
  }

  /** Which branch counts is to be looked at anew. */
  moveHeads(): void {
    this.isDirty = true;
    this.haveHeadsMoved = true;
  }

  count(counter: OrderCounter): void {
    this.counters[counter]++;
  }

  notice(code: NoticeEffect['code'], detail: string, peer = ''): void {
    const key = `${code} ${peer}`;
    const lastMs = this.#noticedAtMs.get(key) ?? Number.NEGATIVE_INFINITY;
    if (this.nowMs - lastMs < ORDER_TIMING.noticeGapMs) return;
    if (this.#noticedAtMs.size >= ORDER_LIMIT.members) this.#noticedAtMs.clear();
    this.#noticedAtMs.set(key, this.nowMs);
    this.emit({ kind: 'notice', code, peer, detail });
  }

  /** Starts a group job. @param then - is given its result; not called after the machine has ended */
  job<Job extends GroupJob>(job: Job, then: (result: GroupResult<Job['op']>) => void): void {
    const id = this.#nextJob++;
    this.#jobs.set(id, then as Continuation);
    this.emit({ kind: 'group-job', id, job });
  }

  jobDone(id: number, result: GroupResult): void {
    const then = this.#jobs.get(id);
    this.#jobs.delete(id);
    then?.(result);
  }

  /** Destroys states. */
  drop(states: readonly StateId[]): void {
    if (states.length === 0) return;
    for (const id of states) {
      this.kept.delete(id);
      const entry = this.book.get(id);
      if (entry !== undefined) entry.state = undefined;
    }
    this.job({ op: 'drop', states }, () => undefined);
  }

  sign(fields: ItemFields): Uint8Array {
    const { vlanId } = this.options;
    return signItem(fields, { self: this.self, vlanId, sign: (bytes) => this.ports.sign(bytes) });
  }

  // ── What is known ────────────────────────────────────────────────────────────────────────────────────

  /** Reads a state; undefined when its policy is none. */
  read(state: GroupState): Kept | undefined {
    const policy = decodePolicy(state.policy);
    const record = policy === undefined ? undefined : this.ports.readRecord(policy.record);
    if (policy === undefined || record === undefined) return undefined;
    const roster = new Map(state.members.map((member) => [member.peer, member]));
    return { state, policy, record, roster, idleSinceMs: this.nowMs };
  }

  /** Whoever may hear what is gossiped: members and those in good standing. */
  isKnown(peer: string): boolean {
    return this.familiar.has(peer) && !this.standings.isOut(peer);
  }

  addFamiliar(peers: Iterable<string>): void {
    for (const peer of peers) {
      if (this.familiar.size >= 2 * ORDER_LIMIT.members) this.#forgetFormer();
      this.familiar.add(peer);
    }
  }

  /** Makes room: who is in no state that is kept can show its admission again. */
  #forgetFormer(): void {
    const present = new Set([...this.kept.values()].flatMap(({ roster }) => [...roster.keys()]));
    for (const peer of this.familiar)
      if (!present.has(peer) && !this.adds.has(peer)) this.familiar.delete(peer);
  }

  /** Admins by the newest record that is known. */
  get admins(): ReadonlySet<string> {
    return this.record?.facts.admins ?? this.head?.record.admins ?? new Set();
  }

  /** A member heard of lately, and not lost since; this node itself always. */
  isLive(peer: string): boolean {
    if (peer === this.self) return true;
    const heard = this.heartbeats.get(peer);
    if (heard === undefined || this.nowMs - heard.atMs > ORDER_TIMING.liveMs) return false;
    return heard.atMs > (this.#lostAtMs.get(peer) ?? Number.NEGATIVE_INFINITY);
  }

  /** A neighbour's stream has ended: absent until a later heartbeat comes, from it or by others. */
  lost(peer: string): void {
    if (this.#lostAtMs.size >= ORDER_LIMIT.members) this.#lostAtMs.clear();
    this.#lostAtMs.set(peer, this.nowMs);
  }

  /** A neighbour is back; its last heartbeat counts again. */
  found(peer: string): void {
    this.#lostAtMs.delete(peer);
  }

  /**
   * Reads a credential; each is verified once.
   *
   * @param admins - by whom it must be
   */
  readCredential(bytes: Uint8Array, admins: ReadonlySet<string>): Credential | undefined {
    const name = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1');
    const known = this.#verified.get(name);
    if (known !== undefined) return admins.has(known.admin) ? known : undefined;
    const credential = this.ports.readCredential(bytes, admins);
    if (credential === undefined) return undefined;
    if (this.#verified.size >= VERIFIED_MAX) this.#verified.clear();
    this.#verified.set(name, credential);
    return credential;
  }

  /** An admission that holds by that record, and by what is known. */
  readAdmission(
    bytes: Uint8Array,
    admins: ReadonlySet<string>,
    standings: Standings,
  ): Credential | undefined {
    const credential = this.readCredential(bytes, admins);
    return credential?.kind === 'admission' && standings.allows(credential) ? credential : undefined;
  }

  /** The head and its ancestors, as far as branches are compared. */
  headChain(): readonly StateId[] {
    return this.head === undefined ? [] : this.book.chain(this.head.state.id, ORDER_LIMIT.checkpoints + 1);
  }

  /** Somebody in this state has been put out, by what is known here. */
  holdsTombstoned(members: Iterable<string>): boolean {
    for (const peer of members) if (this.standings.isOut(peer)) return true;
    return false;
  }

  /** Signed by this head's rebuild, or zeros. */
  rebuildTagOf(kept: Kept | undefined): Uint8Array {
    return kept?.policy.rebuild?.rebuildTag ?? NO_TAG;
  }
}
