/**
 * What a node's data plane does with a frame, in its simplest form: the reference that dataplane/pipeline/forward.ts is an
 * engine of.
 *
 *   token known? ─▶ from a port, hop left, others want it? ─▶ seen lately? ─▶ pass on
 *               └─▶ local? ─▶ window ─▶ TAP
 */

/** Of the cache of recent frames. */
const RECENT_MS = 2_000;

/** A frame on its way; one object for all its copies. */
export interface Frame {
  readonly id: number;
  readonly token: string;
  /** How often each node has passed it on. */
  readonly passed: Map<string, number>;
}

/** Where a copy came from. */
export interface Arrival {
  readonly from: string;
  readonly hops: number;
  readonly nowMs: number;
}

interface TokenEntry {
  readonly segment: string;
  readonly set: readonly string[];
}

/** See the file's head. */
export class ModelDataplane {
  readonly name: string;
  /** Frames that came to the TAP. */
  readonly tapped = new Set<number>();
  /** Copies that the end-to-end window kept from the TAP. */
  windowDrops = 0;
  /** Copies that the cache of recent frames stopped. */
  cacheDrops = 0;
  readonly #ports = new Map<string, ReadonlySet<string>>();
  readonly #tokens = new Map<string, TokenEntry>();
  readonly #recent = new Map<number, number>();
  #local: ReadonlySet<string> = new Set();

  constructor(name: string) {
    this.name = name;
  }

  /** The node has restarted. */
  clear(): void {
    this.#ports.clear();
    this.#tokens.clear();
    this.#recent.clear();
    this.#local = new Set();
  }

  setLocal(tokens: readonly string[]): void {
    this.#local = new Set(tokens);
  }

  setPorts(segment: string, ports: readonly string[] | undefined): void {
    if (ports === undefined) this.#ports.delete(segment);
    else this.#ports.set(segment, new Set(ports));
  }

  setToken(token: string, segment: string, set: readonly string[]): void {
    if (set.length === 0) this.#tokens.delete(token);
    else this.#tokens.set(token, { segment, set });
  }

  waysOf(token: string): readonly string[] {
    return this.#tokens.get(token)?.set ?? [];
  }

  /** @returns the trunks that the frame goes on by */
  receive(frame: Frame, arrival: Arrival): readonly string[] {
    const entry = this.#tokens.get(frame.token);
    const isLocal = this.#local.has(frame.token);
    let onward: readonly string[] = [];
    if (entry !== undefined && arrival.hops > 1 && this.#isPort(entry.segment, arrival.from)) {
      const hasSeveral = entry.set.length + (isLocal ? 1 : 0) > 1;
      if (hasSeveral && this.#isRepeated(frame, arrival.nowMs)) return [];
      onward = entry.set.filter((peer) => peer !== arrival.from);
    }
    if (isLocal) this.#deliver(frame);
    if (onward.length > 0) frame.passed.set(this.name, (frame.passed.get(this.name) ?? 0) + 1);
    return onward;
  }

  #isPort(segment: string, peer: string): boolean {
    return this.#ports.get(segment)?.has(peer) === true;
  }

  #isRepeated(frame: Frame, nowMs: number): boolean {
    const isRepeated = nowMs - (this.#recent.get(frame.id) ?? Number.NEGATIVE_INFINITY) < RECENT_MS;
    this.#recent.set(frame.id, nowMs);
    this.cacheDrops += isRepeated ? 1 : 0;
    return isRepeated;
  }

  #deliver(frame: Frame): void {
    if (this.tapped.has(frame.id)) {
      this.windowDrops++;
    } else {
      this.tapped.add(frame.id);
    }
  }
}
