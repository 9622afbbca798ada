/**
 * Whether anybody on one LAN listens to one group, by the router's side of IGMPv3 and MLDv2 (RFC 3376 section 6, RFC
 * 3810 section 7), reduced to "wanted or not".
 *
 *   any source      until `#anyUntilMs`: somebody listens, whatever it excludes (a report of IGMPv1, v2, MLDv1 too)
 *   these sources   each until a time of its own
 *
 * The group is wanted while one of these times lies ahead. What a listener excludes is not kept: another may want it, and
 * frames are told apart by group only.
 *
 * Main thread; no clock of its own.
 */
import type { GroupRecord } from './multicast-message.ts';
import { MULTICAST_LIMIT, MULTICAST_TIMING } from './multicast-timing.ts';

const NEVER = Number.NEGATIVE_INFINITY;

interface Source {
  readonly address: Uint8Array;
  readonly untilMs: number;
}

/** What may be wanted no more, and what others are asked for before it is given up. */
export interface Doubt {
  /** Whether any source will do for somebody: then the group is asked for, else its sources. */
  readonly isWhole: boolean;
  /** Those that may be wanted no more. */
  readonly sources: readonly Uint8Array[];
}

/** See the file's head. */
export class GroupMembership {
  #anyUntilMs = NEVER;
  /** While IGMPv1 hosts listen, which neither leave nor answer to a query of one group (RFC 2236 section 5). */
  #silentUntilMs = NEVER;
  readonly #sources = new Map<string, Source>();

  /** When the last of its listeners will be taken for gone, unless they are heard. */
  get wantedUntilMs(): number {
    let untilMs = this.#anyUntilMs;
    for (const source of this.#sources.values()) {
      untilMs = Math.max(untilMs, source.untilMs);
    }
    return untilMs;
  }

  /**
   * A listener has said what it wants of this group.
   *
   * @returns what the others should be asked for, since this listener wants it no more
   */
  report({ mode, sources }: GroupRecord, isSilentLeaver: boolean, nowMs: number): Doubt | undefined {
    this.#dropPast(nowMs);
    const untilMs = nowMs + MULTICAST_TIMING.membershipMs;
    if (isSilentLeaver) this.#silentUntilMs = untilMs;
    switch (mode) {
      case 'is-ex':
      case 'to-ex':
        this.#anyUntilMs = untilMs;
        return undefined;
      case 'is-in':
      case 'allow':
        this.#keep(sources, untilMs);
        return undefined;
      case 'to-in':
        this.#keep(sources, untilMs);
        return this.#othersThan(sources, nowMs);
      case 'block':
        return this.#among(sources);
    }
  }

  /** A listener of an older version has left. */
  leave(nowMs: number): Doubt | undefined {
    this.#dropPast(nowMs);
    return this.#othersThan([], nowMs);
  }

  /** Everything that is known of it, as a query of the whole group puts it in doubt. */
  whole(): Doubt {
    return { isWhole: true, sources: [...this.#sources.values()].map(({ address }) => address) };
  }

  /** Others have been asked: who does not answer until then is gone. */
  lower({ isWhole, sources }: Doubt, untilMs: number): void {
    if (isWhole) {
      this.#anyUntilMs = Math.min(this.#anyUntilMs, Math.max(untilMs, this.#silentUntilMs));
    }
    for (const address of sources) {
      const key = keyOf(address);
      const source = this.#sources.get(key);
      if (source !== undefined && source.untilMs > untilMs) {
        this.#sources.set(key, { ...source, untilMs });
      }
    }
  }

  /** Too many to be told apart: then any will do, and nothing is lost. */
  #keep(sources: readonly Uint8Array[], untilMs: number): void {
    for (const address of sources) {
      const key = keyOf(address);
      if (!this.#sources.has(key) && this.#sources.size >= MULTICAST_LIMIT.sources) {
        this.#anyUntilMs = untilMs;
        return;
      }
      this.#sources.set(key, { address: address.slice(), untilMs });
    }
  }

  /** What only others than one who has just named its sources may want. */
  #othersThan(sources: readonly Uint8Array[], nowMs: number): Doubt | undefined {
    if (this.#silentUntilMs > nowMs) return undefined;
    const named = new Set(sources.map(keyOf));
    const others = [...this.#sources].filter(([key]) => !named.has(key));
    const isWhole = this.#anyUntilMs > nowMs;
    return isWhole || others.length > 0
      ? { isWhole, sources: others.map(([, { address }]) => address) }
      : undefined;
  }

  #among(sources: readonly Uint8Array[]): Doubt | undefined {
    const known = sources.flatMap((address) => this.#sources.get(keyOf(address))?.address ?? []);
    return known.length === 0 ? undefined : { isWhole: false, sources: known };
  }

  #dropPast(nowMs: number): void {
    for (const [key, { untilMs }] of this.#sources) {
      if (untilMs <= nowMs) this.#sources.delete(key);
    }
  }
}

/** An address as a key of maps. */
export function keyOf(address: Uint8Array): string {
  return Buffer.from(address.buffer, address.byteOffset, address.length).toString('hex');
}
