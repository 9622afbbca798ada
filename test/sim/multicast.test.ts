/**
 * Snooping against hosts that join and leave as they like, while packets are lost and overtake each other: a group that
 * somebody wants is there within the protocol's bound and never goes; one that nobody wants goes within its bound.
 *
 * A failure names its seed.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MulticastLan, type Wish } from './multicast-hosts.ts';
import { forEachSeed, type Simulation } from './simulation.ts';

const FILE = 'test/sim/multicast.test.ts';
const DURATION_MS = 3_600_000;
/** Two packets and a batch. */
const SLACK_MS = 300;
/** The second of two reports may be the first that arrives. */
const JOIN_MS = { 2: 10_000 + SLACK_MS, 3: 1_000 + SLACK_MS } as const;
const MEMBERSHIP_MS = 260_000 + 10_000 + SLACK_MS;
/** A leave is told again within a second, and then two queries go unanswered. */
const LEAVE_MS = 1_000 + 3_000 + SLACK_MS;
const GROUPS = ['239.1.1.1', '239.1.1.2', '232.1.1.3'] as const;
const SOURCES = ['10.0.0.1', '10.0.0.2', '10.0.0.3'] as const;

/** What is true of a group, and since when. */
interface Fact {
  isWanted: boolean;
  sinceMs: number;
  boundMs: number;
}

class Scenario {
  readonly lan: MulticastLan;
  readonly #simulation: Simulation;
  readonly #facts = new Map<string, Fact>();
  checks = 0;

  constructor(simulation: Simulation) {
    this.#simulation = simulation;
    const count = 1 + Math.floor(simulation.between(0, 5));
    const versions = Array.from({ length: count }, () => (simulation.random() < 0.4 ? 2 : 3));
    this.lan = new MulticastLan(simulation, versions);
    this.#change();
    this.#check();
  }

  #wanting(group: string): boolean {
    return this.lan.hosts.some(({ wishes }) => wishes.has(group));
  }

  #pick<Item>(items: readonly Item[]): Item {
    return items[Math.floor(this.#simulation.random() * items.length)] as Item;
  }

  /** Some host changes its mind: often soon after the last, or after a while. */
  #change(): void {
    const host = this.#pick(this.lan.hosts);
    const group = this.#pick(GROUPS);
    const before = host.wishes.get(group);
    const wish = this.#wishOf(host.version);
    if (before !== undefined || wish !== undefined) {
      const wasWanted = this.#wanting(group);
      host.set(group, wish);
      const isWanted = this.#wanting(group);
      if (wasWanted !== isWanted) {
        const saysAll = host.version === 3 && before === 'any';
        const boundMs = isWanted ? JOIN_MS[host.version] : saysAll ? LEAVE_MS : MEMBERSHIP_MS;
        this.#facts.set(group, { isWanted, boundMs, sinceMs: this.#simulation.nowMs });
      }
    }
    const isSoon = this.#simulation.random() < 0.5;
    this.#simulation.after(this.#simulation.between(0, isSoon ? 2_000 : 400_000), () => {
      this.#change();
    });
  }

  #wishOf(version: 2 | 3): Wish | undefined {
    const choice = this.#simulation.random();
    if (choice < 0.5) return undefined;
    if (version === 2 || choice < 0.7) return 'any';
    const sources = SOURCES.filter(() => this.#simulation.random() < 0.5);
    return sources.length === 0 ? undefined : sources;
  }

  #check(): void {
    for (const [group, { isWanted, sinceMs, boundMs }] of this.#facts) {
      const ageMs = this.#simulation.nowMs - sinceMs;
      const lostLately = this.lan.lostMs > sinceMs - LEAVE_MS && !isWanted;
      if (ageMs <= (lostLately ? MEMBERSHIP_MS : boundMs)) continue;
      this.checks++;
      const what = isWanted ? 'is wanted but pruned' : 'is not wanted but there';
      assert.equal(this.lan.wants(group), isWanted, `${group} ${what} ${ageMs} ms after that`);
    }
    this.#simulation.after(200, () => {
      this.#check();
    });
  }
}

test('a group is there while it is wanted, and gone when it is not', () => {
  let checks = 0;
  forEachSeed({ count: 60, file: FILE }, (simulation) => {
    const scenario = new Scenario(simulation);
    simulation.runFor(DURATION_MS);
    checks += scenario.checks;
    assert.equal(scenario.lan.snooper.counters.overLimit, 0);
  });
  assert.ok(checks > 100_000, `${checks} checks`);
});
