/**
 * The epochs of a private VLAN: one for each state that its group settles on.
 *
 *   adopted ──▶ opened here, announced ──receipt of a member──▶ sealed under to that one
 *          ──receipts of all, or 30 s──▶ sealed under to everybody ──▶ farewell to the older ones
 *   older   ──farewells of all and 5 s, or 35 s──▶ dropped
 *   a settled Remove: the new one is sealed under to everybody at once, the older ones are dropped in a second
 *
 * So no frame is sealed that its receiver cannot open, unless a Remove wants it. A receipt says that our lanes are
 * open at a member; it is given to whoever announces lanes with an answer to the receiver's challenge.
 *
 * Main thread; no clock of its own, no I/O.
 *
 * @see docs/protocol.md, "Sealed frame" and "Membership"
 */
import type { Epoch, EpochId, EpochKeeper, Heard } from './epoch.ts';
import { isInEpoch } from './epoch.ts';
import { EpochLanes } from './epoch-lanes.ts';
import type { GroupState } from './group/group-port.ts';
import { type GroupEpochHost, GroupRosters, MemberProgress, NO_EPOCH } from './group-progress.ts';
import type { Announce } from './member-message.ts';
import type { SaltId } from './membership-port.ts';
import { farewellTo, receiptFor } from './receipt.ts';
import { keyText, type Member } from './roster.ts';
import { MEMBERSHIP_LIMIT, TIMING } from './timing.ts';

const NEVER = Number.POSITIVE_INFINITY;

interface LiveEpoch {
  readonly epoch: Epoch;
  /** Sealed under to everybody from then at the latest. */
  readonly switchAtMs: number;
  dropAtMs: number;
  /** Members to which there are no keys yet. */
  readonly unkeyed: Set<Member>;
}

/** See the file's head. */
export class GroupEpochs implements EpochKeeper {
  readonly #host: GroupEpochHost;
  readonly #lanes: EpochLanes;
  readonly #rosters = new GroupRosters();
  readonly #progress = new MemberProgress();
  /** Oldest first. */
  #live: readonly LiveEpoch[] = [];
  #sealing: EpochId = NO_EPOCH;
  #lastId: EpochId = NO_EPOCH;
  #nudgeAtMs = NEVER;
  #nudgeGapMs: number = TIMING.epochNudgeMs;

  constructor(host: GroupEpochHost) {
    this.#host = host;
    this.#lanes = new EpochLanes(host, (id) => this.find(id));
  }

  find(id: EpochId): Epoch | undefined {
    return this.#live.find(({ epoch }) => epoch.id === id)?.epoch;
  }

  newest(): Epoch | undefined {
    return this.#live.at(-1)?.epoch;
  }

  announced(): readonly Epoch[] {
    return this.#live
      .map(({ epoch }) => epoch)
      .filter((epoch) => this.#lanes.live(epoch.id).length > 0)
      .reverse();
  }

  /** A member may be in one of them only. */
  asked(): readonly Epoch[] {
    return this.announced();
  }

  remarks(epoch: Epoch): readonly Uint8Array[] {
    return this.#live
      .filter((older) => older.epoch.id < Math.min(this.#sealing, epoch.id))
      .map((older) => farewellTo(epoch, older.epoch));
  }

  adopt(state: GroupState, options: { readonly removedAtOnce: boolean; readonly nowMs: number }): void {
    const { removedAtOnce, nowMs } = options;
    const before = this.newest();
    if (before === undefined || keyText(before.tag) !== keyText(state.tag)) {
      this.#add(state, nowMs);
    }
    if (removedAtOnce || before === undefined || this.#hasMissedRemove(before)) {
      this.#cut(nowMs);
    }
    this.#advanceSealing(nowMs);
  }

  welcomed(member: Member, epoch: Epoch): void {
    // Keys under all salts came with the welcome.
    for (const { unkeyed } of this.#live) {
      unkeyed.delete(member);
    }
    // It speaks in this epoch; whether it has the one before nobody knows.
    if (epoch.id > this.#sealing) {
      const progress = this.#progress.of(member);
      progress.switched = epoch.id;
      progress.opensIn.add(epoch.id);
      this.#host.emit({ kind: 'use-epoch-to', member: member.id, epoch: epoch.id });
    }
  }

  dismissed(member: Member): void {
    this.#progress.forget(member);
    for (const { unkeyed } of this.#live) {
      unkeyed.delete(member);
    }
  }

  heard(member: Member, epoch: Epoch, announce: Announce, how: Heard): void {
    const progress = this.#progress.of(member);
    const isFirst = !progress.heardIn.has(epoch.id);
    progress.heardIn.add(epoch.id);
    const signed = new Set(announce.answers.map(keyText));
    if (!progress.opensIn.has(epoch.id) && signed.has(keyText(this.#ownReceipt(member, epoch)))) {
      progress.opensIn.add(epoch.id);
      this.#switch(member);
    }
    if (how.fresh && how.opened) {
      this.#giveReceipt(member, epoch, announce, how.nowMs);
    }
    const isWanted = this.#isWanted(epoch) && !progress.opensIn.has(epoch.id);
    const toldAtMs = progress.toldAtMs.get(epoch.id) ?? Number.NEGATIVE_INFINITY;
    if (isWanted && (isFirst || how.nowMs - toldAtMs >= TIMING.receiptGapMs)) {
      this.#tell([member], epoch, how.nowMs);
    }
    this.#noteFarewells(member, epoch, signed, how.nowMs);
    this.#advanceSealing(how.nowMs);
  }

  advance(_unixMs: number, nowMs: number): void {
    this.#lanes.advance(nowMs);
    this.#advanceSealing(nowMs);
  }

  step(nowMs: number): void {
    this.#giveKeys();
    for (const { epoch, switchAtMs, dropAtMs } of this.#live) {
      if (nowMs >= switchAtMs) {
        this.#use(epoch, nowMs);
      }
      if (nowMs >= dropAtMs) {
        this.#drop(epoch, nowMs);
      }
    }
    if (nowMs >= this.#nudgeAtMs) {
      this.#nudge(nowMs);
    }
  }

  nextTimeoutMs(): number {
    const dues = this.#live.flatMap(({ epoch, unkeyed, switchAtMs, dropAtMs }) => [
      unkeyed.size > 0 ? 0 : NEVER,
      epoch.id > this.#sealing ? switchAtMs : NEVER,
      dropAtMs,
    ]);
    return Math.min(this.#nudgeAtMs, ...dues);
  }

  succeed(salt: SaltId, nowMs: number): void {
    this.#lanes.succeed(salt, nowMs);
  }

  restartWorker(worker: number): void {
    this.#lanes.restartWorker(worker);
  }

  stop(): void {
    for (const { epoch } of this.#live) {
      this.#remove(epoch);
    }
    this.#nudgeAtMs = NEVER;
  }

  // ── Coming and going of epochs ───────────────────────────────────────────────────────────────────────

  #add(state: GroupState, nowMs: number): void {
    while (this.#live.length >= MEMBERSHIP_LIMIT.groupEpochs) {
      this.#dropOldest(nowMs);
    }
    this.#lastId += 1;
    const epoch = this.#rosters.epochOf(state, this.#lastId);
    // First, so that nothing goes to who is not in it while the rest is done.
    this.#host.emit({ kind: 'set-roster', peers: new Set(state.members.map(({ peer }) => peer)) });
    for (const member of this.#host.members().filter(({ key }) => !isInEpoch(epoch, key))) {
      this.#host.dismiss(member, 'removed');
    }
    for (const older of this.#live) {
      older.dropAtMs = Math.min(older.dropAtMs, nowMs + TIMING.epochSwitchMs + TIMING.epochLingerMs);
    }
    const unkeyed = new Set(this.#host.proven());
    this.#live = [
      ...this.#live,
      { epoch, switchAtMs: nowMs + TIMING.epochSwitchMs, dropAtMs: NEVER, unkeyed },
    ];
    this.#host.emit({ kind: 'add-epoch', epoch });
    this.#lanes.prepare(epoch, 'later');
    this.#tell(this.#host.members(), epoch, nowMs);
    this.#nudgeGapMs = TIMING.epochNudgeMs;
    this.#nudgeAtMs = nowMs + this.#nudgeGapMs;
  }

  /** States were skipped, and somebody has gone meanwhile: nobody says whether by a Remove. */
  #hasMissedRemove(before: Epoch): boolean {
    const newest = this.newest();
    const isNext = newest === undefined || newest === before || newest.number === before.number + 1;
    return !isNext && [...(before.roster?.keys() ?? [])].some((key) => !isInEpoch(newest, key));
  }

  /** Nothing is sealed under older epochs from now, whoever can open the newest. */
  #cut(nowMs: number): void {
    const newest = this.newest();
    if (newest === undefined) {
      return;
    }
    this.#use(newest, nowMs);
    for (const older of this.#live.filter(({ epoch }) => epoch !== newest)) {
      this.#lanes.remove(older.epoch.id);
      older.dropAtMs = Math.min(older.dropAtMs, nowMs + TIMING.epochCutMs);
    }
  }

  #dropOldest(nowMs: number): void {
    const [oldest] = this.#live;
    if (oldest !== undefined) {
      this.#drop(oldest.epoch, nowMs);
    }
  }

  #drop(epoch: Epoch, nowMs: number): void {
    const next = this.#live.find((other) => other.epoch.id > epoch.id);
    if (next !== undefined && this.#sealing <= epoch.id) {
      this.#use(next.epoch, nowMs);
    }
    this.#remove(epoch);
  }

  #remove(epoch: Epoch): void {
    this.#host.closeSenders(epoch.id);
    this.#lanes.remove(epoch.id);
    this.#host.forgetEpoch(epoch.id);
    this.#progress.forgetEpoch(epoch.id);
    this.#live = this.#live.filter((live) => live.epoch !== epoch);
    this.#host.emit({ kind: 'remove-epoch', epoch: epoch.id });
  }

  /** The members' keys under new salts, a few in each turn of the main thread. */
  #giveKeys(): void {
    let left: number = MEMBERSHIP_LIMIT.pairKeysAStep;
    for (const { epoch, unkeyed } of [...this.#live].reverse()) {
      for (const member of unkeyed) {
        if (left <= 0) {
          return;
        }
        unkeyed.delete(member);
        this.#lanes.keysTo(member, epoch);
        this.#switch(member);
        left -= this.#host.options.workerCount;
      }
    }
  }

  // ── Changing to the next ─────────────────────────────────────────────────────────────────────────────

  /** Seals under an epoch to everybody, if it is a later one. */
  #use(epoch: Epoch, nowMs: number): void {
    if (epoch.id <= this.#sealing) {
      return;
    }
    const isFirst = this.#sealing === NO_EPOCH;
    this.#sealing = epoch.id;
    this.#host.emit({ kind: 'use-epoch', epoch: epoch.id });
    for (const older of this.#live.filter((live) => live.epoch.id < epoch.id)) {
      this.#lanes.retire(older.epoch.id, nowMs);
    }
    if (!isFirst) {
      this.#host.announceSoon(nowMs, this.newest()?.id);
    }
  }

  /** Seals to a member under the newest epoch in which it can open us, if that is later than what it gets now. */
  #switch(member: Member): void {
    const progress = this.#progress.of(member);
    const present = Math.max(this.#sealing, progress.switched);
    const open = this.#live.filter(
      ({ epoch, unkeyed }) => epoch.id > present && progress.opensIn.has(epoch.id) && !unkeyed.has(member),
    );
    const latest = open.at(-1)?.epoch;
    if (latest !== undefined) {
      progress.switched = latest.id;
      this.#host.emit({ kind: 'use-epoch-to', member: member.id, epoch: latest.id });
    }
  }

  /** Seals to everybody under the newest epoch in which all who are here can open us. */
  #advanceSealing(nowMs: number): void {
    const everybody = this.#host.proven().map((member) => this.#progress.of(member));
    const common = this.#live.filter(
      ({ epoch }) => epoch.id > this.#sealing && everybody.every(({ opensIn }) => opensIn.has(epoch.id)),
    );
    const latest = common.at(-1);
    if (latest !== undefined) {
      this.#use(latest.epoch, nowMs);
    }
  }

  #ownReceipt(giver: Member, epoch: Epoch): Uint8Array {
    const { salts, options } = this.#host;
    const lanes = salts.ofEpoch(epoch.id).map(({ lane, salt }) => ({ lane, salt }));
    return receiptFor(epoch, { giver: giver.publicKey, receiver: options.publicKey, lanes });
  }

  #giveReceipt(member: Member, epoch: Epoch, announce: Announce, nowMs: number): void {
    const giver = this.#host.options.publicKey;
    const receipt = receiptFor(epoch, { giver, receiver: member.publicKey, lanes: announce.lanes });
    const progress = this.#progress.of(member);
    const isAgain = progress.receipt === keyText(receipt);
    if (isAgain && nowMs - progress.receiptAtMs < TIMING.receiptGapMs) {
      return;
    }
    progress.receipt = keyText(receipt);
    progress.receiptAtMs = nowMs;
    this.#host.answer(receipt, epoch.id);
    this.#host.announceSoon(nowMs, epoch.id);
  }

  /** Answers members' challenges in an epoch, so that they open our lanes in it. */
  #tell(members: readonly Member[], epoch: Epoch, nowMs: number): void {
    for (const member of members) {
      this.#host.answer(member.challenge, epoch.id);
      this.#progress.of(member).toldAtMs.set(epoch.id, nowMs);
    }
    this.#host.announceSoon(nowMs, epoch.id);
  }

  /** Whether members should show that they can open us in an epoch: the newest, and those that others may wait in. */
  #isWanted(epoch: Epoch): boolean {
    return epoch === this.newest() || epoch.id > this.#sealing;
  }

  /** What was said may have been lost, or came before a member had the epoch. */
  #nudge(nowMs: number): void {
    let isDone = true;
    for (const { epoch } of this.#live.filter(
      (live) => this.#isWanted(live.epoch) && nowMs < live.switchAtMs,
    )) {
      const missing = this.#host
        .proven()
        .filter((member) => !this.#progress.of(member).opensIn.has(epoch.id));
      if (missing.length > 0) {
        this.#tell(missing, epoch, nowMs);
        isDone = false;
      }
    }
    this.#nudgeGapMs = Math.min(2 * this.#nudgeGapMs, TIMING.epochNudgeMostMs);
    this.#nudgeAtMs = isDone ? NEVER : nowMs + this.#nudgeGapMs;
  }

  #noteFarewells(member: Member, epoch: Epoch, signed: ReadonlySet<string>, nowMs: number): void {
    const progress = this.#progress.of(member);
    for (const older of this.#live) {
      const isNews = older.epoch.id < epoch.id && older.epoch.id > progress.left;
      if (isNews && signed.has(keyText(farewellTo(epoch, older.epoch)))) {
        progress.left = older.epoch.id;
      }
    }
    for (const older of this.#live.filter((live) => live.epoch.id < this.#sealing)) {
      const users = this.#host.proven().filter(({ key }) => isInEpoch(older.epoch, key));
      if (users.every((user) => this.#progress.of(user).left >= older.epoch.id)) {
        older.dropAtMs = Math.min(older.dropAtMs, nowMs + TIMING.epochLingerMs);
      }
    }
  }
}
