/**
 * Membership of one open VLAN: who is in it, under which keys they seal, and which stations stand behind them.
 *
 * Stages of `handle`: the input itself → epochs → salts → expiry → what is due to be said. Everything that is
 * to be done comes back as effects, in the order in which it must be carried out.
 *
 *   announce  says leaf, salts, counters, X25519 key, stations; asks by a challenge; answers others' challenges
 *   pull      asks for announcements again, when an answer was lost or a frame's sender is unknown
 *   withdraw  says goodbye
 *
 * Main thread and simulation; sans-I/O: no clock, timer, socket or random source of its own.
 * Must never throw for what a member sends.
 *
 * @see docs/protocol.md, "Sealed frame" and "Membership"
 */
import { ControlOutlet } from './control-outlet.ts';
import { EpochKeeper } from './epoch-keeper.ts';
import { MemberBook } from './member-book.ts';
import { MemberIntake } from './member-intake.ts';
import { MemberKeys } from './member-keys.ts';
import type {
  MemberStatus,
  MembershipCounters,
  MembershipEffect,
  MembershipInput,
  MembershipOptions,
  MembershipPorts,
  NoticeCode,
} from './membership-port.ts';
import { OwnSalts } from './own-salts.ts';
import { Roster } from './roster.ts';
import { Speaker } from './speaker.ts';
import { TIMING } from './timing.ts';

const LEAF_BYTES = 3;

/** The machine of one VLAN; see the file's head. */
export class MembershipMachine {
  readonly counters: MembershipCounters = newCounters();
  readonly leaf: number;
  readonly #options: MembershipOptions;
  readonly #ports: MembershipPorts;
  readonly #keys: MemberKeys;
  readonly #salts: OwnSalts;
  readonly #roster: Roster;
  readonly #book: MemberBook;
  readonly #speaker: Speaker;
  readonly #intake: MemberIntake;
  readonly #epochs: EpochKeeper;
  readonly #noticedAtMs = new Map<NoticeCode, number>();
  #effects: MembershipEffect[] = [];
  #interfaceMac: Uint8Array | undefined;
  #unixOffsetMs: number;
  #housekeepingMs = Number.POSITIVE_INFINITY;
  #startedMs = 0;
  #state: 'new' | 'running' | 'left' = 'new';
  #hasLookedAround = false;
  #nextId = 0;
  #nowMs = 0;

  /**
   * @param options - what it is for; `unixOffsetMs` makes Unix time out of `nowMs`
   * @param nowMs - names this incarnation, together with the offset
   */
  constructor(options: MembershipOptions, ports: MembershipPorts, nowMs: number) {
    this.#options = options;
    this.#ports = ports;
    this.#unixOffsetMs = options.unixOffsetMs;
    this.#nowMs = nowMs;
    this.leaf = ports.randomBytes(LEAF_BYTES).reduce((value, byte) => (value << 8) | byte, 0);
    const nextId = (): number => ++this.#nextId;
    const agreement = ports.createAgreement();
    this.#keys = new MemberKeys({ publicKey: options.publicKey, agreement, cipher: options.cipher });
    this.#salts = new OwnSalts({ leaf: this.leaf, randomBytes: (count) => ports.randomBytes(count), nextId });
    this.#roster = new Roster(nextId);
    this.#book = new MemberBook(this.#bookHost(nextId));
    this.#epochs = this.#createEpochKeeper();
    this.#speaker = this.#createSpeaker(Math.floor(nowMs + options.unixOffsetMs));
    this.#intake = new MemberIntake({
      options,
      ports,
      roster: this.#roster,
      book: this.#book,
      keys: this.#keys,
      speaker: this.#speaker,
      counters: this.counters,
      incarnation: this.#speaker.incarnation,
      leaf: this.leaf,
      notice: (code, message) => {
        this.#notice(code, message);
      },
    });
  }

  /**
   * Takes one input.
   *
   * @param nowMs - monotonic milliseconds, never less than before
   * @returns what is to be done, in this order
   */
  handle(input: MembershipInput, nowMs: number): readonly MembershipEffect[] {
    this.#nowMs = nowMs;
    this.#effects = [];
    if (input.kind === 'start' && this.#state === 'new') {
      this.#start();
    } else if (this.#state === 'running') {
      this.#take(input);
      this.#advance();
    }
    return this.#effects;
  }

  /** When `tick` is due; infinite before the start and after leaving. */
  nextTimeoutMs(): number {
    return this.#state === 'running'
      ? Math.min(this.#housekeepingMs, this.#speaker.nextTimeoutMs())
      : Number.POSITIVE_INFINITY;
  }

  /** The members that have proven themselves. */
  members(): readonly MemberStatus[] {
    return this.#roster.proven().map((member) => ({
      member: member.id,
      peer: member.peer,
      leaf: member.leaf,
      stations: member.macs.size,
      lastHeardMs: member.lastHeardMs,
    }));
  }

  #start(): void {
    this.#state = 'running';
    this.#startedMs = this.#nowMs;
    this.#keepHouse();
    this.#speaker.announceSoon(this.#nowMs);
    this.#speakDue();
  }

  #take(input: MembershipInput): void {
    switch (input.kind) {
      case 'leave':
        return this.#leave();
      case 'clock':
        this.#unixOffsetMs = input.unixOffsetMs;
        return;
      case 'neighbour':
        return this.#announceToAll();
      case 'control':
        return this.#intake.take(input, this.#epochs.find(input.day), this.#nowMs);
      case 'interface-mac':
        return this.#setInterface(input.mac);
      case 'station-seen':
        return this.#stationSeen(input.mac);
      case 'sender-unknown':
        return this.#intake.senderUnknown(input.leaf, this.#nowMs);
      case 'salt-low':
        return this.#epochs.succeed(input.salt, this.#nowMs);
      case 'worker-restarted':
        return this.#epochs.restartWorker(input.worker);
      case 'start':
      case 'tick':
        return;
    }
  }

  #advance(): void {
    if (this.#state !== 'running') {
      return;
    }
    if (this.#nowMs >= this.#housekeepingMs) {
      this.#keepHouse();
    }
    this.#speakDue();
  }

  #keepHouse(): void {
    this.#housekeepingMs = this.#nowMs + TIMING.housekeepingMs;
    this.#epochs.advance(this.#unixMs(), this.#nowMs);
    this.#advanceStations();
    this.#intake.expire(this.#nowMs);
    this.#lookAround();
  }

  /** Once, and not again when members that were here have gone: that is said by `member-down`. */
  #lookAround(): void {
    if (this.#hasLookedAround || this.#nowMs - this.#startedMs < TIMING.noMemberMs) {
      return;
    }
    this.#hasLookedAround = true;
    if (this.#roster.proven().length === 0) {
      this.#notice('no-member-found', noMemberMessage(TIMING.noMemberMs));
    }
  }

  /** Everybody must learn of our lanes, and opens them only from a signature over his own challenge. */
  #announceToAll(): void {
    this.#speaker.answerAll(this.#roster.all());
    this.#speaker.announceSoon(this.#nowMs);
  }

  // ── Stations ─────────────────────────────────────────────────────────────────────────────────────────

  #setInterface(mac: Uint8Array | undefined): void {
    const stale =
      mac === undefined
        ? this.#book.local.macs()
        : this.#interfaceMac === undefined
          ? []
          : [this.#interfaceMac];
    for (const old of stale) {
      this.#book.releaseOwn(old);
    }
    this.#interfaceMac = mac;
    if (mac !== undefined) {
      // It may have been learned before; the interface's own is claimed for good and enforced at once.
      this.#book.releaseOwn(mac);
      this.#book.claimOwn(mac, { learned: false, nowMs: this.#nowMs });
    }
    this.#speaker.announceSoon(this.#nowMs);
  }

  #stationSeen(mac: Uint8Array): void {
    if (this.#interfaceMac !== undefined && this.#book.claimOwn(mac, { learned: true, nowMs: this.#nowMs })) {
      this.#speaker.announceSoon(this.#nowMs);
    }
  }

  #advanceStations(): void {
    for (const mac of this.#book.local.enforceDue(this.#nowMs)) {
      this.#effects.push({ kind: 'add-own-station', mac, enforced: true });
    }
    const aged = this.#book.local.aged(this.#nowMs, (mac) => this.#ports.stationLastSeenMs(mac));
    for (const mac of aged) {
      this.#book.releaseOwn(mac);
    }
    if (aged.length > 0) {
      this.#speaker.announceSoon(this.#nowMs);
    }
  }

  // ── Saying and leaving ───────────────────────────────────────────────────────────────────────────────

  #speakDue(): void {
    this.#speaker.speakDue(this.#nowMs);
  }

  #leave(): void {
    const epoch = this.#epochs.sealing();
    if (epoch !== undefined) {
      this.#speaker.withdraw(epoch);
    }
    this.#setStateLeft();
    for (const member of this.#roster.proven()) {
      this.#book.dismiss(member, 'stopped');
    }
    for (const mac of this.#book.local.macs()) {
      this.#book.releaseOwn(mac);
    }
    this.#epochs.stop();
  }

  #setStateLeft(): void {
    this.#state = 'left';
  }

  #unixMs(): number {
    return this.#nowMs + this.#unixOffsetMs;
  }

  #notice(code: NoticeCode, message: string): void {
    const last = this.#noticedAtMs.get(code);
    if (last === undefined || this.#nowMs - last >= TIMING.noticeGapMs) {
      this.#noticedAtMs.set(code, this.#nowMs);
      this.#effects.push({ kind: 'notice', code, message });
    }
  }

  #bookHost(nextSenderId: () => number): ConstructorParameters<typeof MemberBook>[0] {
    return {
      ports: this.#ports,
      keys: this.#keys,
      salts: this.#salts,
      counters: this.counters,
      emit: (effect) => {
        this.#effects.push(effect);
      },
      notice: (code, message) => {
        this.#notice(code, message);
      },
      epochOf: (day) => this.#epochs.find(day),
      nextSenderId,
    };
  }

  #createEpochKeeper(): EpochKeeper {
    return new EpochKeeper({
      options: this.#options,
      salts: this.#salts,
      keys: this.#keys,
      proven: () => this.#roster.proven(),
      closeSenders: (day) => {
        this.#book.closeDay(this.#roster.all(), day);
      },
      lanesChanged: () => {
        this.#announceToAll();
      },
      forgetDay: (day) => {
        this.#speaker.forgetDay(day);
      },
      emit: (effect) => {
        this.#effects.push(effect);
      },
    });
  }

  #createSpeaker(incarnation: number): Speaker {
    const { vlanId, publicKey, tokenPeriodSeconds } = this.#options;
    const outlet = new ControlOutlet({
      ports: this.#ports,
      vlanId,
      publicKey,
      leaf: this.leaf,
      tokenPeriodSeconds,
      incarnation,
    });
    return new Speaker({
      outlet,
      ports: this.#ports,
      counters: this.counters,
      leaf: this.leaf,
      agreementKey: this.#keys.agreementKey,
      epochs: () => this.#epochs.announced(),
      salts: (day) => this.#salts.ofDay(day),
      local: this.#book.local,
      unixMs: () => this.#unixMs(),
      emit: (effect) => {
        this.#effects.push(effect);
      },
    });
  }
}

function noMemberMessage(waitedMs: number): string {
  return (
    `no other member was found in ${Math.round(waitedMs / 1_000)} s. Has another machine joined with the same id, ` +
    'and does `peertap peers` show a trunk to it? This node goes on looking.'
  );
}

function newCounters(): MembershipCounters {
  return {
    announcesSent: 0,
    announcesAccepted: 0,
    pullsSent: 0,
    pullsAnswered: 0,
    controlInvalid: 0,
    announcementInvalid: 0,
    verificationsRefused: 0,
    membersRefused: 0,
    claimsRefused: 0,
    addressConflicts: 0,
    sendersRefused: 0,
  };
}
