/**
 * What is missing of neighbours' announcements, and when they are asked for it: ever less often, and not for ever.
 *
 * Main thread; no clock of its own.
 */
import type { RouteSend } from './route-announcer.ts';
import { ROUTE_LIMIT, ROUTE_TIMING } from './route-limits.ts';
import { encodePull, keyOf, PULL_NONCES_MAX } from './route-message.ts';

/** Something that was not told. */
interface Missing {
  /** An announcer's set; undefined: the list of paths. */
  readonly nonce: Uint8Array | undefined;
  tries: number;
  dueMs: number;
}

/** What is wanted of one neighbour in one segment, by nonce. */
interface Request {
  readonly peer: string;
  readonly segmentId: Uint8Array;
  readonly missing: Map<string, Missing>;
  /** The least of what is missing. */
  dueMs: number;
}

/** Stands for the list among nonces. */
const LIST = 'list';

/** See the file's head. */
export class RoutePulls {
  readonly #requests = new Map<string, Request>();
  sent = 0;

  /** When {@link RoutePulls.take} has something; infinite when nothing is wanted. */
  get dueMs(): number {
    let dueMs = Number.POSITIVE_INFINITY;
    for (const request of this.#requests.values()) {
      dueMs = Math.min(dueMs, request.dueMs);
    }
    return dueMs;
  }

  /** A neighbour's list is wanted, unless it comes by itself within a second. */
  wantList(peer: string, segmentId: Uint8Array, nowMs: number): void {
    this.#want(peer, segmentId, { nonce: undefined, tries: 0, dueMs: nowMs + ROUTE_TIMING.pullDelayMs });
  }

  /** A set is missing. @param dueMs - when to ask */
  wantSet(peer: string, segmentId: Uint8Array, nonce: Uint8Array, dueMs: number): void {
    this.#want(peer, segmentId, { nonce, tries: 0, dueMs });
  }

  listCame(peer: string, segment: string): void {
    this.#came(peer, segment, LIST);
  }

  /** A neighbour has told a set, or that it has none. */
  setCame(peer: string, segment: string, nonce: string): void {
    this.#came(peer, segment, nonce);
  }

  /** A neighbour is asked for nothing more. */
  forgetPeer(peer: string): void {
    for (const [key, request] of this.#requests) {
      if (request.peer === peer) {
        this.#requests.delete(key);
      }
    }
  }

  forget(peer: string, segment: string): void {
    this.#requests.delete(keyFor(peer, segment));
  }

  /** What is to be asked for now. */
  take(nowMs: number): RouteSend[] {
    const sends: RouteSend[] = [];
    for (const [key, request] of this.#requests) {
      if (request.dueMs <= nowMs) {
        sends.push(...ask(request, nowMs));
        if (request.missing.size === 0) {
          this.#requests.delete(key);
        }
      }
    }
    this.sent += sends.length;
    return sends;
  }

  #want(peer: string, segmentId: Uint8Array, missing: Missing): void {
    const key = keyFor(peer, keyOf(segmentId));
    const known = this.#requests.get(key);
    const request = known ?? { peer, segmentId, missing: new Map<string, Missing>(), dueMs: missing.dueMs };
    const name = missing.nonce === undefined ? LIST : keyOf(missing.nonce);
    if (!request.missing.has(name) && request.missing.size < PULL_NONCES_MAX) {
      request.missing.set(name, missing);
      request.dueMs = Math.min(request.dueMs, missing.dueMs);
      this.#requests.set(key, request);
    }
  }

  #came(peer: string, segment: string, name: string): void {
    const key = keyFor(peer, segment);
    const request = this.#requests.get(key);
    if (request?.missing.delete(name) === true && request.missing.size === 0) {
      this.#requests.delete(key);
    }
  }
}

/** Asks for what is due, and says when what is left is due again. */
function ask(request: Request, nowMs: number): RouteSend[] {
  const { peer, segmentId, missing } = request;
  const due = [...missing].filter(([, { dueMs }]) => dueMs <= nowMs);
  for (const [name, entry] of due) {
    entry.dueMs = nowMs + ROUTE_TIMING.pullDelayMs * 2 ** entry.tries;
    entry.tries++;
    if (entry.tries >= ROUTE_LIMIT.pullTries) {
      missing.delete(name);
    }
  }
  request.dueMs = Number.POSITIVE_INFINITY;
  for (const { dueMs } of missing.values()) {
    request.dueMs = Math.min(request.dueMs, dueMs);
  }
  const nonces = due.flatMap(([, { nonce }]) => nonce ?? []);
  const wanted = due.some(([name]) => name === LIST) ? [[]] : [];
  return (nonces.length > 0 ? [...wanted, nonces] : wanted).map((asked) => ({
    kind: 'send',
    peer,
    bytes: encodePull(segmentId, asked),
  }));
}

function keyFor(peer: string, segment: string): string {
  return `${segment}/${peer}`;
}
