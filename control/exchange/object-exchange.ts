/**
 * Objects by their digest: offers those of this node, and pulls those of others, piece by piece.
 *
 *   fetch ─▶ ask holder 1 ─parts─▶ whole and of the right digest ─▶ object
 *                └── none, gone, silent, or false bytes ─▶ next holder ─▶ … ─▶ object, missing
 *
 * A part is asked for when the one before it is there, so a holder never sends more than was asked; it is whole, and
 * none comes after the time that a slow path takes, so that a holder cannot keep the object back by trickling. It is
 * hashed as it comes. What is offered is given to whoever `mayFetch` allows, and looks absent to all others.
 *
 * Main thread and simulation; sans-I/O. Must never throw for what a peer sends.
 *
 * @see docs/protocol.md, "Exchange streams"
 */
import { blake3 } from '@noble/hashes/blake3.js';
import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js';
import { DIGEST_BYTES, OBJECT_MAX_BYTES, type ObjectMessage, PART_BYTES } from './exchange-message.ts';

/** Limits, each with its reason. */
export const OBJECT_LIMIT = {
  /** Own objects: five commits, their Welcomes and a GroupInfo, and some that wait for slow peers. */
  offers: 64,
  offeredBytes: 67_108_864,
  /** Pulls under way; later ones wait. */
  fetches: 8,
  waitingFetches: 64,
  /** A holder that sends nothing for so long is left. */
  partTimeoutMs: 5_000,
  /** One that is slower than this on the whole is left for the next: half of what a path of 256 kbit/s carries. */
  leastBytesPerSecond: 16_384,
} as const;

/** Why nothing comes, or what came. */
export interface FetchedObject {
  readonly kind: 'object';
  /** 32 hex digits. */
  readonly digest: string;
  /** undefined: no holder had it. */
  readonly bytes: Uint8Array | undefined;
  /** Who gave it. */
  readonly from: string | undefined;
}
/** Send this to a peer. */
export interface SendObjectMessage {
  readonly kind: 'send';
  readonly peer: string;
  readonly message: ObjectMessage;
}
/** This holder sent bytes of another digest. */
export interface FalseHolder {
  readonly kind: 'false-holder';
  readonly peer: string;
}
export type ObjectEffect = FetchedObject | SendObjectMessage | FalseHolder;

interface Offer {
  readonly bytes: Uint8Array;
  readonly mayFetch: (peer: string) => boolean;
}

interface Fetch {
  readonly digest: string;
  readonly holders: string[];
  holder: string | undefined;
  buffer: Uint8Array | undefined;
  receivedBytes: number;
  /** Since when the present holder is asked. */
  sinceMs: number;
  hash: ReturnType<typeof blake3.create>;
  deadlineMs: number;
}

/** See the file's head. */
export class ObjectExchange {
  readonly #offers = new Map<string, Offer>();
  readonly #fetches = new Map<string, Fetch>();
  #offeredBytes = 0;
  #effects: ObjectEffect[] = [];

  /** Keeps an object for others; the oldest go when there are too many. */
  offer(digest: string, bytes: Uint8Array, mayFetch: (peer: string) => boolean): void {
    this.withdraw(digest);
    this.#offers.set(digest, { bytes, mayFetch });
    this.#offeredBytes += bytes.length;
    for (const oldest of this.#offers.keys()) {
      if (this.#offers.size <= OBJECT_LIMIT.offers && this.#offeredBytes <= OBJECT_LIMIT.offeredBytes) {
        break;
      }
      this.withdraw(oldest);
    }
  }

  withdraw(digest: string): void {
    const offer = this.#offers.get(digest);
    if (offer !== undefined) {
      this.#offers.delete(digest);
      this.#offeredBytes -= offer.bytes.length;
    }
  }

  /** Pulls an object from whichever holder has it; one that is under way gets more holders. */
  fetch(digest: string, holders: readonly string[], nowMs: number): readonly ObjectEffect[] {
    return this.#effectsOf(() => {
      const own = this.#offers.get(digest);
      const present = this.#fetches.get(digest);
      if (own !== undefined) {
        this.#effects.push({ kind: 'object', digest, bytes: own.bytes, from: undefined });
      } else if (present !== undefined) {
        present.holders.push(...holders.filter((peer) => !present.holders.includes(peer)));
      } else if (this.#fetches.size >= OBJECT_LIMIT.waitingFetches) {
        this.#effects.push({ kind: 'object', digest, bytes: undefined, from: undefined });
      } else {
        this.#fetches.set(digest, newFetch(digest, holders));
        this.#startNext(nowMs);
      }
    });
  }

  /** Takes a message of a peer. */
  message(peer: string, message: ObjectMessage, nowMs: number): readonly ObjectEffect[] {
    return this.#effectsOf(() => {
      if (message.type === 'object-ask') {
        this.#asked(peer, message.digest, message.offset);
        return;
      }
      const fetch = this.#fetches.get(bytesToHex(message.digest));
      if (fetch?.holder !== peer) {
        return; // Late, or never asked for.
      }
      if (message.type === 'object-none') {
        this.#tryNext(fetch, nowMs);
      } else {
        this.#part(fetch, message, nowMs);
      }
    });
  }

  /** A peer cannot be asked any more. */
  peerDown(peer: string, nowMs: number): readonly ObjectEffect[] {
    return this.#effectsOf(() => {
      for (const fetch of [...this.#fetches.values()].filter(({ holder }) => holder === peer)) {
        this.#tryNext(fetch, nowMs);
      }
    });
  }

  /** Leaves holders that are silent. */
  tick(nowMs: number): readonly ObjectEffect[] {
    return this.#effectsOf(() => {
      for (const fetch of [...this.#fetches.values()].filter(({ deadlineMs }) => deadlineMs <= nowMs)) {
        this.#tryNext(fetch, nowMs);
      }
    });
  }

  /** When `tick` is due; infinite when nothing is under way. */
  nextTimeoutMs(): number {
    return Math.min(...[...this.#fetches.values()].map(({ deadlineMs }) => deadlineMs));
  }

  #effectsOf(act: () => void): readonly ObjectEffect[] {
    this.#effects = [];
    act();
    return this.#effects;
  }

  #asked(peer: string, digest: Uint8Array, offset: number): void {
    const offer = this.#offers.get(bytesToHex(digest));
    if (offer === undefined || offset >= offer.bytes.length || !offer.mayFetch(peer)) {
      this.#send(peer, { type: 'object-none', digest });
      return;
    }
    const bytes = offer.bytes.subarray(offset, offset + PART_BYTES);
    this.#send(peer, { type: 'object-part', digest, total: offer.bytes.length, offset, bytes });
  }

  #part(fetch: Fetch, part: Extract<ObjectMessage, { type: 'object-part' }>, nowMs: number): void {
    if (part.offset !== fetch.receivedBytes) {
      return; // A repetition.
    }
    fetch.buffer ??= new Uint8Array(Math.min(part.total, OBJECT_MAX_BYTES));
    const isWhole = part.bytes.length === PART_BYTES || part.offset + part.bytes.length === part.total;
    if (part.total !== fetch.buffer.length || !isWhole) {
      this.#false(fetch, nowMs);
      return;
    }
    fetch.buffer.set(part.bytes, part.offset);
    fetch.hash.update(part.bytes);
    fetch.receivedBytes += part.bytes.length;
    if (fetch.receivedBytes < fetch.buffer.length) {
      if (isSlow(fetch, nowMs)) this.#tryNext(fetch, nowMs);
      else this.#ask(fetch, nowMs);
    } else if (bytesToHex(fetch.hash.digest()) === fetch.digest) {
      this.#end(fetch, fetch.buffer, nowMs);
    } else {
      this.#false(fetch, nowMs);
    }
  }

  #false(fetch: Fetch, nowMs: number): void {
    if (fetch.holder !== undefined) {
      this.#effects.push({ kind: 'false-holder', peer: fetch.holder });
    }
    this.#tryNext(fetch, nowMs);
  }

  #tryNext(fetch: Fetch, nowMs: number): void {
    fetch.holder = fetch.holders.shift();
    fetch.buffer = undefined;
    fetch.receivedBytes = 0;
    fetch.sinceMs = nowMs;
    fetch.hash = newHash();
    if (fetch.holder === undefined) {
      this.#end(fetch, undefined, nowMs);
    } else {
      this.#ask(fetch, nowMs);
    }
  }

  #ask(fetch: Fetch, nowMs: number): void {
    fetch.deadlineMs = nowMs + OBJECT_LIMIT.partTimeoutMs;
    if (fetch.holder !== undefined) {
      const digest = hexToBytes(fetch.digest);
      this.#send(fetch.holder, { type: 'object-ask', digest, offset: fetch.receivedBytes });
    }
  }

  #end(fetch: Fetch, bytes: Uint8Array | undefined, nowMs: number): void {
    this.#fetches.delete(fetch.digest);
    this.#effects.push({ kind: 'object', digest: fetch.digest, bytes, from: fetch.holder });
    this.#startNext(nowMs);
  }

  #startNext(nowMs: number): void {
    const all = [...this.#fetches.values()];
    const running = all.filter(({ deadlineMs }) => Number.isFinite(deadlineMs)).length;
    const waiting = all.find(({ deadlineMs }) => !Number.isFinite(deadlineMs));
    if (waiting !== undefined && running < OBJECT_LIMIT.fetches) {
      this.#tryNext(waiting, nowMs);
    }
  }

  #send(peer: string, message: ObjectMessage): void {
    this.#effects.push({ kind: 'send', peer, message });
  }
}

/** The name of an object: 32 hex digits. */
export function objectDigest(bytes: Uint8Array): string {
  return bytesToHex(newHash().update(bytes).digest());
}

function newHash(): ReturnType<typeof blake3.create> {
  return blake3.create({ dkLen: DIGEST_BYTES });
}

/** Each part in time, and yet the whole would take for ever. */
function isSlow({ sinceMs, receivedBytes }: Fetch, nowMs: number): boolean {
  const { partTimeoutMs, leastBytesPerSecond } = OBJECT_LIMIT;
  return nowMs - sinceMs > partTimeoutMs + (receivedBytes / leastBytesPerSecond) * 1_000;
}

function newFetch(digest: string, holders: readonly string[]): Fetch {
  return {
    digest,
    holders: [...holders],
    holder: undefined,
    buffer: undefined,
    receivedBytes: 0,
    sinceMs: 0,
    hash: newHash(),
    deadlineMs: Number.POSITIVE_INFINITY,
  };
}
