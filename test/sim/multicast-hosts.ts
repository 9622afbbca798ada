/**
 * Hosts on one LAN behind an interface, as RFC 2236 and RFC 3376 have them, and the snooping machine of that interface.
 * Packets take up to 50 ms, so that they overtake each other; one in each membership interval is lost, which is what a
 * robustness of 2 is for.
 *
 *   host v2, host v3 … ══ LAN ══ MulticastSnooper
 */
import { decodeFrame } from '../../control/multicast/multicast-codec.ts';
import {
  hex,
  leave,
  MODE,
  macOf,
  oldReport,
  report,
  TAP_MAC,
  type TestRecord,
} from '../../control/multicast/multicast-frames.fixture.ts';
import type { Query } from '../../control/multicast/multicast-message.ts';
import { MulticastSnooper } from '../../control/multicast/multicast-snooper.ts';
import type { Simulation } from './simulation.ts';

const PACKET_MS = 50;
const LOSS_EVERY_MS = 265_000;
const UNSOLICITED_V2_MS = 10_000;
const UNSOLICITED_V3_MS = 1_000;

/** What a host listens to in a group: any source, or these. */
export type Wish = 'any' | readonly string[];

/** A host, as the LAN sees it. */
export interface Host {
  readonly version: 2 | 3;
  readonly wishes: Map<string, Wish>;
  set(group: string, wish: Wish | undefined): void;
  hear(query: Query, delayMs: number): void;
  /** Another host's report of IGMPv2. */
  overhear(group: string): void;
}

/** The LAN with its hosts. */
export class MulticastLan {
  readonly simulation: Simulation;
  readonly snooper: MulticastSnooper;
  readonly hosts: Host[] = [];
  macs = new Set<string>();
  lostMs = Number.NEGATIVE_INFINITY;
  #nextLossMs = 0;
  #tickMs = Number.POSITIVE_INFINITY;

  constructor(simulation: Simulation, versions: readonly (2 | 3)[]) {
    this.simulation = simulation;
    this.snooper = new MulticastSnooper(TAP_MAC, simulation.nowMs);
    for (const version of versions) {
      this.hosts.push(version === 2 ? new OldHost(this) : new NewHost(this));
    }
    this.#schedule();
  }

  wants(group: string): boolean {
    return this.macs.has(macOf(group));
  }

  /** A host says something. @param group - what others overhear */
  send(from: Host, frame: Uint8Array, group?: string): void {
    if (this.#isLost()) return;
    this.#after(PACKET_MS, () => {
      this.#handle({ kind: 'frame', frame });
    });
    if (group === undefined) return;
    for (const host of this.hosts.filter((other) => other !== from)) {
      this.#after(PACKET_MS, () => {
        host.overhear(group);
      });
    }
  }

  #after(mostMs: number, run: () => void): void {
    this.simulation.after(this.simulation.between(0, mostMs), run);
  }

  /** One packet in a while; the more of them there are, the sooner it strikes. */
  #isLost(): boolean {
    const { nowMs } = this.simulation;
    if (nowMs < this.#nextLossMs || this.simulation.random() > 0.1) return false;
    this.#nextLossMs = nowMs + LOSS_EVERY_MS;
    this.lostMs = nowMs;
    return true;
  }

  #handle(input: Parameters<MulticastSnooper['handle']>[0]): void {
    for (const effect of this.snooper.handle(input, this.simulation.nowMs)) {
      if (effect.kind === 'groups') this.macs = new Set(effect.macs.map(hex));
      else this.#ask(effect.frame);
    }
    this.#schedule();
  }

  #ask(frame: Uint8Array): void {
    const decoded = decodeFrame(frame);
    if (typeof decoded === 'string' || decoded.message.kind !== 'query') throw new Error('not a query');
    const { packet, message } = decoded;
    if (packet.family === 6 || this.#isLost()) return;
    for (const host of this.hosts) {
      this.#after(PACKET_MS, () => {
        host.hear(message, this.simulation.between(0, message.maxResponseMs - 2 * PACKET_MS));
      });
    }
  }

  #schedule(): void {
    const dueMs = this.snooper.nextTimeoutMs();
    if (dueMs >= this.#tickMs && this.#tickMs > this.simulation.nowMs) return;
    this.#tickMs = dueMs;
    this.simulation.after(dueMs - this.simulation.nowMs, () => {
      if (this.simulation.nowMs < this.#tickMs) return;
      this.#tickMs = Number.POSITIVE_INFINITY;
      this.#handle({ kind: 'tick' });
    });
  }
}

/** IGMPv2: a report for each group, kept back when another host says the same. */
class OldHost implements Host {
  readonly version = 2;
  readonly wishes = new Map<string, Wish>();
  readonly #lan: MulticastLan;
  /** Reports that are to be sent, by group: the number of the newest one. */
  readonly #due = new Map<string, number>();
  #count = 0;

  constructor(lan: MulticastLan) {
    this.#lan = lan;
  }

  set(group: string, wish: Wish | undefined): void {
    if (wish === undefined) {
      this.wishes.delete(group);
      this.#due.delete(group);
      this.#lan.send(this, leave(group));
    } else if (!this.wishes.has(group)) {
      this.wishes.set(group, 'any');
      this.#lan.send(this, oldReport(group), group);
      this.#reportWithin(group, this.#lan.simulation.between(0, UNSOLICITED_V2_MS));
    }
  }

  hear(query: Query, delayMs: number): void {
    for (const group of this.wishes.keys()) {
      if (query.group === undefined || macOf(group) === macOf([...query.group].join('.'))) {
        this.#reportWithin(group, delayMs);
      }
    }
  }

  overhear(group: string): void {
    this.#due.delete(group);
  }

  #reportWithin(group: string, delayMs: number): void {
    const number = ++this.#count;
    this.#due.set(group, number);
    this.#lan.simulation.after(delayMs, () => {
      if (this.#due.get(group) !== number) return;
      this.#due.delete(group);
      this.#lan.send(this, oldReport(group), group);
    });
  }
}

/** IGMPv3: changes are told twice, and a query is answered with what is asked for. */
class NewHost implements Host {
  readonly version = 3;
  readonly wishes = new Map<string, Wish>();
  readonly #lan: MulticastLan;
  readonly #changes = new Map<string, number>();

  constructor(lan: MulticastLan) {
    this.#lan = lan;
  }

  set(group: string, wish: Wish | undefined): void {
    const before = this.wishes.get(group);
    if (wish === undefined) this.wishes.delete(group);
    else this.wishes.set(group, wish);
    const number = (this.#changes.get(group) ?? 0) + 1;
    this.#changes.set(group, number);
    this.#tell(changeOf(group, before, wish));
    this.#lan.simulation.after(this.#lan.simulation.between(0, UNSOLICITED_V3_MS), () => {
      // Changes that followed each other are told as the state that they have led to.
      const now = this.#changes.get(group) === number ? changeOf(group, before, wish) : undefined;
      this.#tell(now ?? [stateOf(group, this.wishes.get(group))]);
    });
  }

  hear(query: Query, delayMs: number): void {
    this.#lan.simulation.after(delayMs, () => {
      const records = [...this.wishes].flatMap(([group, wish]) => answerTo(query, group, wish));
      if (records.length > 0) this.#tell(records);
    });
  }

  overhear(): void {
    // IGMPv3 knows no suppression.
  }

  #tell(records: readonly TestRecord[]): void {
    if (records.length > 0) this.#lan.send(this, report(records));
  }
}

/** What a change of a wish is told as (RFC 3376 section 5.1). */
function changeOf(group: string, before: Wish | undefined, now: Wish | undefined): TestRecord[] {
  if (before === 'any' || now === 'any') return [stateOf(group, now)];
  const [old, wanted] = [before ?? [], now ?? []];
  const allowed = wanted.filter((source) => !old.includes(source));
  const blocked = old.filter((source) => !wanted.includes(source));
  return [
    ...(allowed.length === 0 ? [] : [{ mode: MODE.allow, group, sources: allowed }]),
    ...(blocked.length === 0 ? [] : [{ mode: MODE.block, group, sources: blocked }]),
  ];
}

function stateOf(group: string, wish: Wish | undefined): TestRecord {
  return wish === 'any' ? { mode: MODE.toEx, group } : { mode: MODE.toIn, group, sources: wish ?? [] };
}

/** RFC 3376 section 5.2. */
function answerTo(query: Query, group: string, wish: Wish): TestRecord[] {
  if (query.group !== undefined && [...query.group].join('.') !== group) return [];
  const asked = query.sources.map((source) => [...source].join('.'));
  if (asked.length === 0) {
    return wish === 'any' ? [{ mode: MODE.isEx, group }] : [{ mode: MODE.isIn, group, sources: wish }];
  }
  const sources = wish === 'any' ? asked : wish.filter((source) => asked.includes(source));
  return sources.length === 0 ? [] : [{ mode: MODE.isIn, group, sources }];
}
