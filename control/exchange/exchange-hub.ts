/**
 * The exchange streams of this node: one for each VLAN and each peer that knows its id, whoever opened it.
 *
 *   trunk says: VLAN shared ─▶ the lower PeerId opens a stream ─▶ contact ─▶ open: `peerUp`
 *   messages ─▶ gossip, admission, record, presence ─▶ the VLAN's handler
 *          └──▶ object messages ─▶ ObjectExchange ─▶ `object`
 *
 * Main thread. A stream that ends is opened again while the VLAN is shared, 0.5 to 30 s apart. Bad input ends a
 * stream or is counted; it never throws.
 *
 * @see docs/protocol.md, "Exchange streams"
 */
import { bytesToHex } from '@noble/hashes/utils.js';
import { publicKeyOfPeerId } from '../identity/peer-id.ts';
import { TokenBucket } from '../limit/token-bucket.ts';
import type { MessageStream, MessageStreams } from '../network/message-streams.ts';
import {
  CONTACT_NONCE_BYTES,
  contactKeyOf,
  isAnswer,
  readOpening,
  writeAnswer,
  writeOpening,
} from './contact.ts';
import { decodeExchange, encodeExchange, type PayloadKind } from './exchange-message.ts';
import { type ObjectEffect, ObjectExchange } from './object-exchange.ts';

/** The protocol's name on libp2p connections. */
export const EXCHANGE_PROTOCOL = '/peertap/vlan/1.0.0';

const RETRY_LEAST_MS = 500;
const RETRY_MOST_MS = 30_000;
const CONTACT_TIMEOUT_MS = 5_000;
const TICK_MS = 250;
/** Messages of one stream: a Welcome of 1 MiB is 32 asks; gossip of 200 members in a change, some hundreds. */
const MESSAGES_PER_SECOND = 500;
const MESSAGE_BURST = 2_000;
/** Streams that have not said which VLAN they are for. */
const UNNAMED_MAX = 256;
const NO_KEY = new Uint8Array(32);

/** What a VLAN hears of its exchange. */
export interface ExchangeHandler {
  peerUp(peer: string): void;
  peerDown(peer: string): void;
  message(peer: string, kind: PayloadKind, bytes: Uint8Array): void;
  /** An object that was fetched, or could not be. */
  object(digest: string, bytes: Uint8Array | undefined, from: string | undefined): void;
}

/** What it is made of. */
export interface ExchangeParts {
  readonly streams: MessageStreams;
  /** PeerId of this node, and its key. */
  readonly self: string;
  readonly publicKey: Uint8Array;
  randomBytes(count: number): Uint8Array;
  nowMs(): number;
}

/** Totals since the start. */
export interface ExchangeCounters {
  streamsOpened: number;
  contactsRefused: number;
  messagesInvalid: number;
  messagesRefused: number;
  falseObjects: number;
}

interface Link {
  readonly stream: MessageStream;
  readonly budget: TokenBucket;
}

interface Wanted {
  retryAtMs: number;
  delayMs: number;
  isOpening: boolean;
}

/** One VLAN's exchange, as its owner uses it. */
export class VlanExchange {
  readonly contactKey: Uint8Array;
  readonly links = new Map<string, Link>();
  readonly wanted = new Map<string, Wanted>();
  readonly objects = new ObjectExchange();
  readonly handler: ExchangeHandler;
  readonly #parts: ExchangeParts;
  readonly #counters: ExchangeCounters;

  constructor(
    vlanId: Uint8Array,
    options: { handler: ExchangeHandler; parts: ExchangeParts; counters: ExchangeCounters },
  ) {
    this.contactKey = contactKeyOf(vlanId);
    this.handler = options.handler;
    this.#parts = options.parts;
    this.#counters = options.counters;
  }

  /** Peers with an open stream. */
  peers(): readonly string[] {
    return [...this.links.keys()];
  }

  /** Sends a module's bytes. @returns false when there is no stream, or it does not take more */
  send(peer: string, type: PayloadKind, bytes: Uint8Array): boolean {
    return this.links.get(peer)?.stream.send(encodeExchange({ type, bytes })) ?? false;
  }

  /** Keeps an object for those whom `mayFetch` allows. */
  offer(digest: string, bytes: Uint8Array, mayFetch: (peer: string) => boolean): void {
    this.objects.offer(digest, bytes, mayFetch);
  }

  withdraw(digest: string): void {
    this.objects.withdraw(digest);
  }

  /** Pulls an object; ends in `object`, perhaps before this returns. */
  fetch(digest: string, from: readonly string[]): void {
    const holders = from.filter((peer) => this.links.has(peer));
    this.perform(this.objects.fetch(digest, holders, this.#parts.nowMs()));
  }

  perform(effects: readonly ObjectEffect[]): void {
    for (const effect of effects) {
      if (effect.kind === 'send') {
        this.links.get(effect.peer)?.stream.send(encodeExchange(effect.message));
      } else if (effect.kind === 'object') {
        this.handler.object(effect.digest, effect.bytes, effect.from);
      } else {
        this.#counters.falseObjects++;
      }
    }
  }
}

/** See the file's head. */
export class ExchangeHub {
  readonly counters: ExchangeCounters = {
    streamsOpened: 0,
    contactsRefused: 0,
    messagesInvalid: 0,
    messagesRefused: 0,
    falseObjects: 0,
  };
  readonly #parts: ExchangeParts;
  readonly #vlans = new Map<string, VlanExchange>();
  readonly #shared = new Map<string, ReadonlySet<string>>();
  #unnamed = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(parts: ExchangeParts) {
    this.#parts = parts;
  }

  /** Accepts streams from now on. */
  async start(): Promise<void> {
    await this.#parts.streams.accept(EXCHANGE_PROTOCOL, (stream) => {
      this.#accept(stream);
    });
    this.#timer = setInterval(() => {
      this.tick();
    }, TICK_MS);
  }

  stop(): void {
    clearInterval(this.#timer);
    for (const id of [...this.#vlans.keys()]) {
      this.#drop(id);
    }
  }

  /** Takes part in a VLAN's exchange. */
  add(vlanId: Uint8Array, handler: ExchangeHandler): VlanExchange {
    const id = bytesToHex(vlanId);
    this.#drop(id);
    const vlan = new VlanExchange(vlanId, { handler, parts: this.#parts, counters: this.counters });
    this.#vlans.set(id, vlan);
    for (const [peer, vlans] of this.#shared) {
      this.#want(vlan, peer, vlans.has(id));
    }
    return vlan;
  }

  remove(vlanId: Uint8Array): void {
    this.#drop(bytesToHex(vlanId));
  }

  /** The VLANs that a trunk's peer shares, whole; none when the trunk is gone. */
  share(peer: string, vlanIds: readonly Uint8Array[]): void {
    const ids = new Set(vlanIds.map((id) => bytesToHex(id)));
    this.#shared.set(peer, ids);
    if (ids.size === 0) {
      this.#shared.delete(peer);
    }
    for (const [id, vlan] of this.#vlans) {
      this.#want(vlan, peer, ids.has(id));
    }
    this.tick();
  }

  /** Opens what is due, leaves silent holders. */
  tick(): void {
    const nowMs = this.#parts.nowMs();
    for (const vlan of this.#vlans.values()) {
      for (const [peer, wanted] of vlan.wanted) {
        if (!wanted.isOpening && wanted.retryAtMs <= nowMs && !vlan.links.has(peer)) {
          void this.#open(vlan, peer, wanted);
        }
      }
      vlan.perform(vlan.objects.tick(nowMs));
    }
  }

  #want(vlan: VlanExchange, peer: string, isShared: boolean): void {
    if (!isShared) {
      vlan.wanted.delete(peer);
      vlan.links.get(peer)?.stream.close();
    } else if (this.#parts.self < peer && !vlan.wanted.has(peer)) {
      vlan.wanted.set(peer, { retryAtMs: 0, delayMs: RETRY_LEAST_MS, isOpening: false });
    }
  }

  #drop(id: string): void {
    const vlan = this.#vlans.get(id);
    if (vlan === undefined) return;
    this.#vlans.delete(id);
    vlan.wanted.clear();
    for (const { stream } of [...vlan.links.values()]) {
      stream.close();
    }
  }

  // ── Contact ──────────────────────────────────────────────────────────────────────────────────────────

  async #open(vlan: VlanExchange, peer: string, wanted: Wanted): Promise<void> {
    wanted.isOpening = true;
    try {
      const stream = await this.#parts.streams.open(peer, EXCHANGE_PROTOCOL, []);
      await this.#introduce(vlan, stream);
      wanted.delayMs = RETRY_LEAST_MS;
    } catch {
      // No connection at present, or a peer of another mind: the trunk tells when that changes, and time does.
      wanted.retryAtMs = this.#parts.nowMs() + wanted.delayMs;
      wanted.delayMs = Math.min(RETRY_MOST_MS, wanted.delayMs * 2);
    } finally {
      wanted.isOpening = false;
    }
  }

  #introduce(vlan: VlanExchange, stream: MessageStream): Promise<void> {
    const acceptor = publicKeyOfPeerId(stream.peer);
    if (acceptor === undefined) {
      stream.close();
      return Promise.reject(new Error('a peer without an Ed25519 key'));
    }
    const ends = { opener: this.#parts.publicKey, acceptor };
    const nonce = this.#parts.randomBytes(CONTACT_NONCE_BYTES);
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        stream.close();
      }, CONTACT_TIMEOUT_MS);
      const refuse = (): void => {
        clearTimeout(timer);
        reject(new Error('no contact'));
      };
      stream.onClose = refuse;
      stream.onMessage = (answer) => {
        clearTimeout(timer);
        if (!isAnswer(answer, vlan.contactKey, ends, nonce)) {
          this.counters.contactsRefused++;
          stream.close();
          return;
        }
        if (!vlan.wanted.has(stream.peer)) {
          stream.close(); // The VLAN was left meanwhile, here or there.
          return;
        }
        this.#adopt(vlan, stream);
        resolve();
      };
      stream.send(writeOpening(vlan.contactKey, ends, nonce));
    });
  }

  #accept(stream: MessageStream): void {
    if (this.#unnamed >= UNNAMED_MAX) {
      this.counters.contactsRefused++;
      stream.close();
      return;
    }
    this.#unnamed++;
    const timer = setTimeout(() => {
      stream.close();
    }, CONTACT_TIMEOUT_MS);
    const named = (): void => {
      clearTimeout(timer);
      this.#unnamed--;
    };
    stream.onClose = named;
    stream.onMessage = (opening) => {
      named();
      stream.onClose = () => undefined;
      this.#opened(stream, opening);
    };
  }

  #opened(stream: MessageStream, opening: Uint8Array): void {
    // Whatever a peer of another key type proves: no module could name it in what it signs.
    const opener = publicKeyOfPeerId(stream.peer);
    const ends = { opener: opener ?? NO_KEY, acceptor: this.#parts.publicKey };
    const vlans = opener === undefined ? [] : [...this.#vlans.values()];
    const found = readOpening(
      opening,
      ends,
      vlans.map(({ contactKey }) => contactKey),
    );
    const vlan = found === undefined ? undefined : vlans[found.index];
    if (found === undefined || vlan === undefined) {
      this.counters.contactsRefused++;
      stream.close();
      return;
    }
    const acceptor = this.#parts.randomBytes(CONTACT_NONCE_BYTES);
    stream.send(writeAnswer(vlan.contactKey, ends, { opener: found.nonce, acceptor }));
    this.#adopt(vlan, stream);
  }

  // ── Open streams ─────────────────────────────────────────────────────────────────────────────────────

  #adopt(vlan: VlanExchange, stream: MessageStream): void {
    const { peer } = stream;
    const former = vlan.links.get(peer);
    const budget = new TokenBucket(
      { perSecond: MESSAGES_PER_SECOND, burst: MESSAGE_BURST },
      this.#parts.nowMs(),
    );
    const link = { stream, budget };
    vlan.links.set(peer, link);
    this.counters.streamsOpened++;
    stream.onMessage = (bytes) => {
      this.#message(vlan, link, bytes);
    };
    stream.onClose = () => {
      this.#closed(vlan, link);
    };
    former?.stream.close();
    if (former === undefined) {
      vlan.handler.peerUp(peer);
    }
  }

  #closed(vlan: VlanExchange, link: Link): void {
    const { peer } = link.stream;
    if (vlan.links.get(peer) !== link) {
      return; // Another stream has taken its place.
    }
    vlan.links.delete(peer);
    const wanted = vlan.wanted.get(peer);
    if (wanted !== undefined) {
      wanted.retryAtMs = this.#parts.nowMs() + wanted.delayMs;
    }
    vlan.perform(vlan.objects.peerDown(peer, this.#parts.nowMs()));
    vlan.handler.peerDown(peer);
  }

  #message(vlan: VlanExchange, link: Link, bytes: Uint8Array): void {
    if (!link.budget.take(this.#parts.nowMs())) {
      this.counters.messagesRefused++;
      return;
    }
    const { peer } = link.stream;
    const message = decodeExchange(bytes);
    if (message === undefined) {
      this.counters.messagesInvalid++;
    } else if ('digest' in message) {
      vlan.perform(vlan.objects.message(peer, message, this.#parts.nowMs()));
    } else {
      vlan.handler.message(peer, message.type, message.bytes);
    }
  }
}
