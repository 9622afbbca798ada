/**
 * The directory: keeps the records of this node's VLANs up to date among those who know their ids, and those of public
 * VLANs for whoever browses.
 *
 *   own record ──news──▶ VLAN's peers ──ask, give──▶ `record` effect ──▶ registry, group policy
 *            └─dht-put─▶ DHT           ◀──dht-get── every few hours
 *   browse ──list, page──▶ public peers ──▶ table of public records
 *
 * A VLAN's stream carries that VLAN's record alone; the public protocol carries public ones alone, so that nobody
 * learns there which private VLANs a node is in. Main thread, sans-I/O: time comes in as Unix milliseconds. Limits: a
 * budget of messages and of signature checks for each peer, 1,024 public records, pages only when they were asked for.
 * Must never give a record that is not public outside its VLAN, and never throw for what a peer sent.
 *
 * @see docs/protocol.md, "Directory"
 */
import {
  DIRECTORY_LIMIT,
  type DirectoryMessage,
  decodeDirectoryMessage,
  encodeDirectoryMessage,
  type GivenRecord,
  givenBytes,
} from './directory-message.ts';
import type {
  BrowsableVlan,
  DirectoryCounter,
  DirectoryEffect,
  DirectoryInput,
  DirectoryOptions,
} from './directory-port.ts';
import {
  DIRECTORY_KEY_BYTES,
  directoryKey,
  openEnvelope,
  openPlainEnvelope,
  sealEnvelope,
} from './envelope.ts';
import { PeerBudgets } from './peer-budgets.ts';
import { PublicRecords } from './public-records.ts';
import { isAheadOfTime, isNewer, type SignedRecord } from './vlan-record.ts';

const MESSAGE_BUDGET = { each: { burst: 64, perSecond: 4 }, all: { burst: 1_024, perSecond: 128 } } as const;
/** A signature takes some 0.1 ms: at most 2 % of the main thread. */
const CHECK_BUDGET = { each: { burst: 512, perSecond: 8 }, all: { burst: 2_048, perSecond: 200 } } as const;
/** Peers that are told of a change, or asked for their lists, at once; the others hear it from these. */
const MAX_TOLD = 32;
const MAX_BROWSED = 16;
/** A browse follows so many pages of one peer: more than a full table has. */
const MAX_PAGES = 128;
/** The DHT forgets, and other members publish too. */
const DHT_FIRST_MS = 20_000;
const DHT_AGAIN_MS = 21_600_000;
/** Room for the page's own fields. */
const PAGE_BYTES = DIRECTORY_LIMIT.messageBytes - 3;

interface OwnVlan {
  readonly idBytes: Uint8Array;
  /** Hex. */
  readonly key: string;
  record: SignedRecord | undefined;
  envelope: Uint8Array | undefined;
  dhtDueAtMs: number;
}

/** See the file's head. */
export class Directory {
  readonly #options: DirectoryOptions;
  readonly #own = new Map<string, OwnVlan>();
  readonly #public = new PublicRecords();
  /** Peers with a stream, by VLAN id; those of the public protocol under ''. */
  readonly #peers = new Map<string, Set<string>>();
  /** Pages that are still expected of a peer. */
  readonly #browsing = new Map<string, number>();
  readonly #messages = new PeerBudgets(MESSAGE_BUDGET);
  readonly #checks = new PeerBudgets(CHECK_BUDGET);
  readonly #counters = new Map<DirectoryCounter, number>();
  #effects: DirectoryEffect[] = [];
  #nowMs = 0;

  constructor(options: DirectoryOptions) {
    this.#options = options;
  }

  get counters(): ReadonlyMap<DirectoryCounter, number> {
    return this.#counters;
  }

  /** Public VLANs that are known here, own ones first. */
  browse(nowMs: number): readonly BrowsableVlan[] {
    this.#public.expire(nowMs);
    const own = [...this.#own.values()].flatMap(({ record }) =>
      record?.record.public === true ? [record] : [],
    );
    const heard = this.#public.all().map(({ signed }) => signed);
    return [
      ...own.map((signed) => ({ signed, isOwn: true })),
      ...heard.map((signed) => ({ signed, isOwn: false })),
    ];
  }

  /** The id behind a directory key in hex, if this node is in that VLAN: for checks of what comes from the DHT. */
  idOfKey(keyHex: string): Uint8Array | undefined {
    return this.#ownByKey(keyHex)?.idBytes;
  }

  /** When a `tick` is due, on the clock of `handle`; infinite without VLANs. */
  nextTimeoutMs(): number {
    return Math.min(...[...this.#own.values()].map(({ dhtDueAtMs }) => dhtDueAtMs), Number.POSITIVE_INFINITY);
  }

  /** Takes an input. @param nowMs - Unix time, corrected by the peers' clocks */
  handle(input: DirectoryInput, nowMs: number): readonly DirectoryEffect[] {
    this.#nowMs = nowMs;
    this.#input(input);
    const effects = this.#effects;
    this.#effects = [];
    return effects;
  }

  #input(input: DirectoryInput): void {
    switch (input.kind) {
      case 'vlan':
        return this.#setVlan(input.id, input.idBytes, input.record);
      case 'drop-vlan':
        this.#own.delete(input.id);
        this.#peers.delete(input.id);
        return;
      case 'peer-up':
        return this.#peerUp(input.peer, input.vlan);
      case 'peer-down':
        this.#peers.get(input.vlan ?? '')?.delete(input.peer);
        if (input.vlan === null) this.#browsing.delete(input.peer);
        return;
      case 'message':
        return this.#message(input.peer, input.vlan, input.bytes);
      case 'found':
        return this.#found(input.key, input.envelope);
      case 'browse':
        return this.#browse();
      case 'tick':
        return this.#tick();
    }
  }

  // ── Own VLANs ────────────────────────────────────────────────────────────────────────────────────────

  #setVlan(id: string, idBytes: Uint8Array, record: SignedRecord | undefined): void {
    const key = Buffer.from(directoryKey(idBytes)).toString('hex');
    const dhtDueAtMs = this.#nowMs + DHT_FIRST_MS * (0.25 + this.#options.random());
    const present = this.#own.get(id) ?? { idBytes, key, record: undefined, envelope: undefined, dhtDueAtMs };
    this.#own.set(id, present);
    this.#public.remove(key);
    if (record === undefined || !isNewer(record, present.record)) return;
    const isFirst = present.record === undefined;
    Object.assign(present, { record, envelope: sealEnvelope(record) });
    this.#tell(id, present);
    // What a start reads from disk is compared with the DHT first; what was changed now is news to it.
    if (!isFirst) this.#publish(present);
  }

  #tell(id: string, { key, record }: OwnVlan): void {
    if (record === undefined) return;
    const news = { type: 'news', key: Buffer.from(key, 'hex'), sequence: record.record.sequence } as const;
    for (const peer of this.#someOf(id, MAX_TOLD)) this.#send(peer, id, news);
    if (!record.record.public) return;
    for (const peer of this.#someOf('', MAX_TOLD)) this.#send(peer, null, news);
  }

  #peerUp(peer: string, vlan: string | null): void {
    const scope = vlan ?? '';
    this.#peers.set(scope, (this.#peers.get(scope) ?? new Set()).add(peer));
    const own = vlan === null ? undefined : this.#own.get(vlan);
    if (own === undefined) return;
    const key = Buffer.from(own.key, 'hex');
    const sequence = own.record?.record.sequence;
    this.#send(peer, vlan, sequence === undefined ? { type: 'ask', key } : { type: 'news', key, sequence });
  }

  #publish(own: OwnVlan): void {
    own.dhtDueAtMs = this.#nowMs + DHT_AGAIN_MS * (0.75 + this.#options.random() / 2);
    if (own.envelope === undefined) return;
    this.#effects.push({ kind: 'dht-put', key: Buffer.from(own.key, 'hex'), envelope: own.envelope });
  }

  #tick(): void {
    for (const own of this.#own.values()) {
      if (this.#nowMs < own.dhtDueAtMs) continue;
      own.dhtDueAtMs = this.#nowMs + DHT_AGAIN_MS * (0.75 + this.#options.random() / 2);
      this.#effects.push({ kind: 'dht-get', key: Buffer.from(own.key, 'hex') });
    }
  }

  #found(key: Uint8Array, envelope: Uint8Array | undefined): void {
    const own = this.#ownByKey(Buffer.from(key).toString('hex'));
    if (own === undefined) return;
    const opened = envelope === undefined ? undefined : openEnvelope(envelope, key, own.idBytes);
    if (opened?.ok === false) this.#count('forged');
    const signed = opened?.ok === true ? opened.signed : undefined;
    if (own.record !== undefined && (signed === undefined || isNewer(own.record, signed))) {
      return this.#publish(own);
    }
    if (signed !== undefined) this.#offer(signed, own);
  }

  // ── What comes from peers ────────────────────────────────────────────────────────────────────────────

  #message(peer: string, vlan: string | null, bytes: Uint8Array): void {
    if (!this.#messages.take(peer, this.#nowMs)) return this.#count('over-budget');
    const message = decodeDirectoryMessage(bytes);
    switch (message?.type) {
      case 'ask':
        return this.#asked(peer, vlan, message.key);
      case 'give':
        return this.#given(peer, vlan, message);
      case 'list':
        return vlan === null ? this.#listed(peer, message.after) : this.#count('misplaced');
      case 'page':
        return vlan === null ? this.#paged(peer, message) : this.#count('misplaced');
      case 'news':
        return this.#news(peer, vlan, message);
      case 'none':
        return;
      default:
        return this.#count('malformed');
    }
  }

  #asked(peer: string, vlan: string | null, key: Uint8Array): void {
    const keyHex = Buffer.from(key).toString('hex');
    const given = vlan === null ? this.#publicGiven(keyHex) : this.#ownGiven(this.#own.get(vlan), keyHex);
    this.#send(peer, vlan, given === undefined ? { type: 'none', key } : { type: 'give', ...given });
  }

  #given(peer: string, vlan: string | null, { envelope, ageSeconds }: GivenRecord): void {
    if (vlan === null) {
      this.#takePublic(peer, { envelope, ageSeconds });
      return;
    }
    const own = this.#own.get(vlan);
    if (own === undefined) return this.#count('misplaced');
    if (!this.#checks.take(peer, this.#nowMs)) return this.#count('over-budget');
    const opened = openEnvelope(envelope, Buffer.from(own.key, 'hex'), own.idBytes);
    if (!opened.ok) return this.#count(opened.fault === 'malformed' ? 'malformed' : 'forged');
    this.#offer(opened.signed, own);
  }

  /** A newer record of an own VLAN; it counts here when it has been stored and comes back as `vlan`. */
  #offer(signed: SignedRecord, own: OwnVlan): void {
    if (isAheadOfTime(signed.record, this.#nowMs)) return this.#count('ahead-of-time');
    if (isNewer(signed, own.record)) this.#effects.push({ kind: 'record', record: signed });
  }

  #news(peer: string, vlan: string | null, { key, sequence }: DirectoryMessage & { type: 'news' }): void {
    const keyHex = Buffer.from(key).toString('hex');
    if (vlan === null) {
      const known = this.#ownByKey(keyHex)?.record ?? this.#public.find(keyHex)?.signed;
      if ((known?.record.sequence ?? -1) < sequence) this.#send(peer, null, { type: 'ask', key });
      return;
    }
    const own = this.#own.get(vlan);
    if (own?.key !== keyHex) return this.#count('misplaced');
    const ours = own.record?.record.sequence ?? -1;
    if (ours < sequence) this.#send(peer, vlan, { type: 'ask', key });
    else if (ours > sequence) this.#asked(peer, vlan, key);
  }

  // ── Browsing ─────────────────────────────────────────────────────────────────────────────────────────

  #browse(): void {
    for (const peer of this.#someOf('', MAX_BROWSED)) {
      this.#browsing.set(peer, MAX_PAGES);
      this.#send(peer, null, { type: 'list', after: new Uint8Array(DIRECTORY_KEY_BYTES) });
    }
  }

  #listed(peer: string, after: Uint8Array): void {
    const afterHex = Buffer.from(after).toString('hex');
    const keys = this.#publicKeys().filter((key) => key > afterHex);
    const records: GivenRecord[] = [];
    let roomBytes = PAGE_BYTES;
    for (const key of keys) {
      const given = this.#publicGiven(key);
      if (given === undefined) continue;
      roomBytes -= givenBytes(given);
      if (roomBytes < 0 || records.length === DIRECTORY_LIMIT.pageRecords) break;
      records.push(given);
    }
    this.#send(peer, null, { type: 'page', hasMore: records.length < keys.length, records });
  }

  #paged(peer: string, { records, hasMore }: DirectoryMessage & { type: 'page' }): void {
    const left = this.#browsing.get(peer) ?? 0;
    if (left === 0) return this.#count('unasked');
    const taken = records.map((given) => this.#takePublic(peer, given));
    const last = taken.at(-1);
    if (!hasMore || last === undefined || left === 1) {
      this.#browsing.delete(peer);
      return;
    }
    this.#browsing.set(peer, left - 1);
    this.#send(peer, null, { type: 'list', after: last });
  }

  /** @returns the directory key of the record, whether it was kept or not; undefined when it does not hold */
  #takePublic(peer: string, { envelope, ageSeconds }: GivenRecord): Uint8Array | undefined {
    if (!this.#checks.take(peer, this.#nowMs)) {
      this.#count('over-budget');
      return undefined;
    }
    const opened = openPlainEnvelope(envelope);
    if (!opened.ok) {
      this.#count(opened.fault === 'forged' ? 'forged' : 'malformed');
      return undefined;
    }
    const { signed } = opened;
    const key = directoryKey(signed.idBytes);
    const own = this.#own.get(signed.id);
    const vouchedAtMs = this.#nowMs - ageSeconds * 1_000;
    if (own !== undefined) this.#offer(signed, own);
    else if (isAheadOfTime(signed.record, this.#nowMs)) this.#count('ahead-of-time');
    else if (!this.#public.refresh(envelope, Buffer.from(key).toString('hex'), vouchedAtMs)) {
      const isKept = this.#public.put({ signed, envelope, source: peer, vouchedAtMs }, this.#nowMs);
      if (!isKept) this.#count('not-kept');
    }
    return key;
  }

  // ── Small things ─────────────────────────────────────────────────────────────────────────────────────

  #publicKeys(): readonly string[] {
    this.#public.expire(this.#nowMs);
    const own = [...this.#own.values()].flatMap(({ key, record }) =>
      record?.record.public === true ? [key] : [],
    );
    return [...own, ...this.#public.all().map(({ key }) => key)].sort();
  }

  #publicGiven(key: string): GivenRecord | undefined {
    const own = this.#ownByKey(key);
    if (own?.record?.record.public === true) return this.#ownGiven(own, key);
    const heard = this.#public.find(key);
    if (heard === undefined) return undefined;
    return { envelope: heard.envelope, ageSeconds: (this.#nowMs - heard.vouchedAtMs) / 1_000 };
  }

  #ownGiven(own: OwnVlan | undefined, key: string): GivenRecord | undefined {
    const envelope = own?.key === key ? own.envelope : undefined;
    return envelope === undefined ? undefined : { envelope, ageSeconds: 0 };
  }

  #ownByKey(key: string): OwnVlan | undefined {
    for (const own of this.#own.values()) {
      if (own.key === key) return own;
    }
    return undefined;
  }

  #someOf(scope: string, most: number): readonly string[] {
    return [...(this.#peers.get(scope) ?? [])].slice(0, most);
  }

  #send(peer: string, vlan: string | null, message: DirectoryMessage): void {
    this.#effects.push({ kind: 'send', peer, vlan, bytes: encodeDirectoryMessage(message) });
  }

  #count(counter: DirectoryCounter): void {
    this.#counters.set(counter, (this.#counters.get(counter) ?? 0) + 1);
  }
}
