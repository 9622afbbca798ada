/**
 * A private VLAN under a seed: members that go over to their group's states at different times, leave, come, die and
 * are cut off from each other, and after each change of anybody's tables the look whether what must hold holds.
 *
 *   never   a counter twice under one key; a frame under an epoch from before a Remove that its sender knows of;
 *           more than four live epochs; an epoch from before a Remove opened for more than a second after it
 *   linked  a pair whose frames were opened once, by each way, and that nothing but changes of epoch has touched
 *           since, at most three while one is under way: its frames are opened for ever
 */
import assert from 'node:assert/strict';
import {
  memberOf,
  opens,
  type SealedFrame,
  sealTo,
  sealToAll,
  UsedCounters,
} from '../../control/membership/frame-model.fixture.ts';
import { peerOf, SimGroup, type SimState } from '../../control/membership/group.fixture.ts';
import { hex, SeededRandom } from '../../control/membership/membership-fixture.ts';
import type { SimMember } from '../../control/membership/sim-member.fixture.ts';
import { epochTag } from '../../control/vlan/epoch-keys.ts';

const SLICE_MS = 10;
const CUT_MS = 1_000;
const LIVE_EPOCHS_MAX = 4;

interface Planned {
  readonly atMs: number;
  readonly name: string;
  readonly index: number;
}

/** See the file's head. */
export class PrivateWorld {
  readonly group: SimGroup;
  readonly random: SeededRandom;
  readonly #used = new UsedCounters();
  /** States by their tag, and those that settled a Remove. */
  readonly #indexOfTag = new Map<string, number>();
  readonly #removes = new Set<number>();
  /** The last state that each name went over to, and when. */
  readonly #at = new Map<string, { readonly index: number; readonly atMs: number }>();
  readonly #linked = new Set<string>();
  readonly #cutOff = new Set<string>();
  #planned: Planned[] = [];
  /** Frames that were looked at. */
  looked = 0;

  constructor(seed: string) {
    this.group = new SimGroup(seed);
    this.random = new SeededRandom(`${seed} events`);
    this.group.vlan.afterChange = (member) => {
      this.#look(member);
    };
  }

  get members(): readonly SimMember[] {
    return [...this.group.vlan.members.values()];
  }

  pick<T>(choices: readonly T[]): T {
    const choice = choices[Math.floor(this.random.unit() * choices.length)];
    assert.ok(choice !== undefined, 'nothing to choose from');
    return choice;
  }

  /** The group settles on another state; its members go over to it within `skewMs`, each in its own time. */
  settle(
    names: readonly string[],
    options: { readonly skewMs: number; readonly remove?: boolean; readonly leaves?: Record<string, number> },
  ): void {
    const state = this.group.settle(names, options.leaves);
    const index = this.group.states.length - 1;
    if (options.remove === true) {
      this.#removes.add(index);
    }
    for (const name of names) {
      const last = Math.max(0, ...this.#planned.filter((one) => one.name === name).map(({ atMs }) => atMs));
      const atMs = Math.max(last, this.group.vlan.nowMs + this.random.unit() * options.skewMs);
      this.#planned.push({ atMs, name, index });
    }
    assert.ok(state.leaves.size === names.length);
  }

  /** A process starts, with the state that it had when it ended. */
  start(name: string): void {
    this.unlink(name);
    const member = this.group.start(name);
    const mac = Uint8Array.of(2, 0, 0, 0, 0, name.charCodeAt(0));
    this.group.vlan.input(member, { kind: 'interface-mac', mac });
    const at = this.#at.get(name);
    if (at !== undefined) {
      this.#adopt(name, at.index);
    }
    for (const each of this.members) {
      this.group.vlan.input(each, { kind: 'neighbour' });
    }
  }

  kill(name: string): void {
    const member = this.group.vlan.members.get(name);
    if (member !== undefined) {
      this.unlink(name);
      this.group.vlan.kill(member);
    }
  }

  /** Something other than a change of epoch comes between a member and the others. */
  unlink(name: string): void {
    for (const pair of [...this.#linked]) {
      if (pair.split('>').includes(name)) {
        this.#linked.delete(pair);
      }
    }
  }

  /** A member is on an island, or back from it: it may have fallen silent for others, for some time to come. */
  place(name: string, island: number): void {
    this.unlink(name);
    this.#cutOff.add(name);
    this.group.vlan.place(name, island);
  }

  run(durationMs: number): void {
    const endMs = this.group.vlan.nowMs + durationMs;
    while (this.group.vlan.nowMs < endMs) {
      this.group.vlan.run(SLICE_MS);
      this.#goOver();
    }
  }

  /** Everybody reaches everybody, under the newest epoch, and nothing else is live. */
  assertSettled(names: readonly string[]): void {
    const newest = this.group.states.length - 1;
    for (const from of this.members) {
      assert.equal(
        from.epochs.get(from.sealing)?.number,
        newest,
        `${from.name} seals under the newest epoch`,
      );
      assert.equal(from.epochs.size, 1, `${from.name} has older epochs`);
      const others = names.filter((name) => name !== from.name);
      assert.deepEqual(this.group.vlan.views()[from.name], others, `${from.name}'s roster`);
      for (const to of this.members.filter((each) => each !== from)) {
        assert.ok(this.#reaches(from, to), `${from.name} does not reach ${to.name}`);
      }
    }
  }

  #goOver(): void {
    const due = this.#planned.filter(({ atMs }) => atMs <= this.group.vlan.nowMs);
    this.#planned = this.#planned.filter((one) => !due.includes(one));
    for (const { name, index } of due) {
      this.#adopt(name, index);
    }
  }

  #adopt(name: string, index: number): void {
    const state = this.group.states[index] as SimState;
    const at = this.#at.get(name)?.index ?? -1;
    this.#at.set(name, { index, atMs: this.group.vlan.nowMs });
    this.#indexOfTag.set(hex(epochTag(state.secret)), index);
    const member = this.group.vlan.members.get(name);
    if (member !== undefined) {
      this.group.adopt(member, state, this.#lastRemove(index) > this.#lastRemove(at));
    }
  }

  /** The last Remove up to a state; none: -1. */
  #lastRemove(index: number): number {
    return Math.max(-1, ...[...this.#removes].filter((remove) => remove <= index));
  }

  // ── What must hold ───────────────────────────────────────────────────────────────────────────────────

  #look(member: SimMember): void {
    assert.ok(member.epochs.size <= LIVE_EPOCHS_MAX, `${member.name} has ${member.epochs.size} epochs`);
    if (this.group.vlan.members.get(member.name) !== member) {
      return;
    }
    this.#assertCut(member);
    for (const other of this.members.filter((each) => each !== member)) {
      this.#lookAtPair(member, other);
      this.#lookAtPair(other, member);
    }
  }

  #lookAtPair(from: SimMember, to: SimMember): void {
    const pair = `${from.name}>${to.name}`;
    // A Remove cuts at once: what is sealed before all know of it and of each other's new senders is lost.
    const [atFrom, atTo] = [from, to].map(({ name }) => this.#lastRemove(this.#at.get(name)?.index ?? -1));
    const inGroup = this.group.last.leaves.has(from.name) && this.group.last.leaves.has(to.name);
    if (!inGroup || atFrom !== atTo || this.#isFarBehind(from, to)) {
      this.#linked.delete(pair);
    }
    const reaches = this.#reaches(from, to);
    const isLinked = this.#linked.has(pair);
    assert.ok(
      reaches || !isLinked,
      `at ${this.group.vlan.nowMs} ms ${to.name} cannot open: ${story(from, to)}`,
    );
    const isNear = !this.#cutOff.has(from.name) && !this.#cutOff.has(to.name);
    if (reaches && inGroup && isNear && atFrom === atTo) {
      this.#linked.add(pair);
    }
  }

  /** The receiver has made room for later epochs: it went over to four since the one that the sender seals under. */
  #isFarBehind(from: SimMember, to: SimMember): boolean {
    const sealing = from.epochs.get(from.sealing)?.number ?? -1;
    return (this.#at.get(to.name)?.index ?? -1) - sealing >= LIVE_EPOCHS_MAX;
  }

  #reaches(from: SimMember, to: SimMember): boolean {
    const member = memberOf(from, peerOf(to.name));
    if (member === undefined) {
      return false;
    }
    const unicast = sealTo(from, member);
    const frames = [...unicast, ...sealToAll(from)];
    for (const frame of frames) {
      this.#used.note(frame);
      this.#assertNotBeforeRemove(from, frame);
    }
    this.looked += frames.length;
    return unicast.length > 0 && frames.every((frame) => opens(to, frame));
  }

  #assertNotBeforeRemove(from: SimMember, frame: SealedFrame): void {
    const known = this.#at.get(from.name)?.index ?? -1;
    const index: number = this.#indexOfTag.get(frame.tag) ?? known;
    assert.ok(index >= this.#lastRemove(known), `${from.name} seals under an epoch that a removed one knows`);
  }

  #assertCut(member: SimMember): void {
    const at = this.#at.get(member.name);
    if (at === undefined || this.group.vlan.nowMs <= at.atMs + CUT_MS) {
      return;
    }
    for (const { tag } of member.epochs.values()) {
      const index: number = this.#indexOfTag.get(hex(tag)) ?? at.index;
      assert.ok(index >= this.#lastRemove(at.index), `${member.name} opens an epoch of before a Remove`);
    }
  }
}

/** Which frames of one cannot be opened by another, for a failure's message. */
function story(from: SimMember, to: SimMember): string {
  const member = memberOf(from, peerOf(to.name)) ?? -1;
  const numberOf = (tag: string): string =>
    String([...from.epochs.values()].find((epoch) => hex(epoch.tag) === tag)?.number);
  const lost = [...sealTo(from, member), ...sealToAll(from)].filter((frame) => !opens(to, frame));
  const frames = lost.map(
    ({ pairwise, lane, tag }) => `${pairwise ? 'unicast' : 'broadcast'} of lane ${lane} in ${numberOf(tag)}`,
  );
  const live = (one: SimMember): string =>
    `${one.name} has ${[...one.epochs.values()].map(({ number }) => number).join()}`;
  return `${from.name}'s member ${member}: ${frames.join(', ')}; ${live(from)}, ${live(to)}`;
}
