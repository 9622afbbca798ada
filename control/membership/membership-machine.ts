/**
 * Membership of one VLAN: who is in it, under which keys they seal, and which stations stand behind them. An open
 * VLAN's epochs come from the calendar, a private one's from its group, whose members alone are listened to.
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
import type { Epoch, EpochId, EpochKeeper } from './epoch.ts';
import type { EpochHost } from './epoch-lanes.ts';
import { GroupEpochs } from './group-epochs.ts';
import { MemberBook } from './member-book.ts';
import { MemberIntake } from './member-intake.ts';
import { MemberKeys } from './member-keys.ts';
import { newCounters } from './membership-counters.ts';
import type {
  MemberStatus,
  MembershipCounters,
  MembershipEffect,
  MembershipInput,
  MembershipOptions,
  MembershipPorts,
  NoticeCode,
} from './membership-port.ts';
import { OpenCalendar } from './open-calendar.ts';
import { OwnSalts } from './own-salts.ts';
import { type Member, Roster } from './roster.ts';
import { Speaker } from './speaker.ts';
import { TIMING } from './timing.ts';

const LEAF_BYTES = 3;

/** The machine of one VLAN; see the file's head. */
export class MembershipMachine {
  readonly counters: MembershipCounters = newCounters();
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
    const leaf = ports.randomBytes(LEAF_BYTES).reduce((value, byte) => (value << 8) | byte, 0);
    const nextId = (): number => ++this.#nextId;
    const agreement = ports.createAgreement();
    this.#keys = new MemberKeys({ publicKey: options.publicKey, agreement, cipher: options.cipher });
    this.#salts = new OwnSalts({ randomBytes: (count) => ports.randomBytes(count), nextId });
    this.#roster = new Roster({ nextId, kind: options.kind, membersMax: options.membersMax });
    this.#book = new MemberBook(this.#bookHost(nextId));
    this.#epochs = this.#createEpochs(leaf);
    this.#speaker = this.#createSpeaker(Math.floor(nowMs + options.unixOffsetMs));
    this.#intake = this.#createIntake();
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
      ? Math.min(this.#housekeepingMs, this.#speaker.nextTimeoutMs(), this.#epochs.nextTimeoutMs())
      : Number.POSITIVE_INFINITY;
  }

  /** The members that have proven themselves. */
  members(): readonly MemberStatus[] {
    return this.#roster.proven().map((member) => ({
      member: member.id,
      peer: member.peer,
      leaf: member.leaf,
      stations: member.macs.size,
      macs: [...member.macs.values()].map(({ mac }) => mac),
      lastHeardMs: member.lastHeardMs,
      epoch: this.#newestOf(member),
    }));
  }

  /** The epoch that this node takes for the present one; undefined before a private VLAN's first. */
  get epoch(): Epoch | undefined {
    return this.#epochs.newest();
  }

  /** Our X25519 key of this start. */
  get agreementKey(): Uint8Array {
    return this.#keys.agreementKey;
  }

  /** Number of the newest live epoch in which a member announced itself. */
  #newestOf(member: Member): number {
    const epochs = [...member.streams.keys()].flatMap((id) => this.#epochs.find(id) ?? []);
    const [newest] = epochs.toSorted((a, b) => b.id - a.id);
    return newest?.number ?? 0;
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
      case 'strangers':
        return this.#speaker.pullAll(this.#nowMs);
      case 'control':
        return this.#intake.take(input, this.#epochs.find(input.epoch), this.#nowMs);
      case 'interface-mac':
        return this.#setInterface(input.mac);
      case 'station-seen':
        return this.#stationSeen(input.mac);
      case 'sender-unknown':
        return this.#intake.senderUnknown(input.epoch, input.leaf, this.#nowMs);
      case 'salt-low':
        return this.#epochs.succeed(input.salt, this.#nowMs);
      case 'worker-restarted':
        return this.#epochs.restartWorker(input.worker);
      case 'group-epoch': {
        const { epoch, removedAtOnce } = input;
        return this.#epochs.adopt(epoch, { removedAtOnce, nowMs: this.#nowMs });
      }
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
    this.#epochs.step(this.#nowMs);
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
    const mayBeAlone = this.#options.kind === 'private' && (this.epoch?.roster?.size ?? 0) < 2;
    if (mayBeAlone) {
      this.#startedMs = this.#nowMs;
    }
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
    this.#speaker.withdraw();
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
      movingHosts: this.#options.movingHosts,
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
      epochOf: (id) => this.#epochs.find(id),
      nextSenderId,
    };
  }

  #createEpochs(leaf: number): EpochKeeper {
    const host: EpochHost = {
      options: this.#options,
      salts: this.#salts,
      keys: this.#keys,
      members: () => this.#roster.all(),
      proven: () => this.#roster.proven(),
      dismiss: (member, reason) => {
        this.#intake.dismiss(member, reason);
      },
      closeSenders: (epoch) => {
        this.#book.closeEpoch(this.#roster.all(), epoch);
      },
      lanesChanged: () => {
        this.#announceToAll();
      },
      forgetEpoch: (epoch) => {
        this.#forgetEpoch(epoch);
      },
      emit: (effect) => {
        this.#effects.push(effect);
      },
    };
    return this.#options.kind === 'open'
      ? new OpenCalendar(host, leaf)
      : new GroupEpochs({
          ...host,
          answer: (value, epoch) => {
            this.#speaker.answer(value, epoch);
          },
          announceSoon: (nowMs, epoch) => {
            this.#speaker.announceSoon(nowMs, epoch);
          },
        });
  }

  #forgetEpoch(epoch: EpochId): void {
    this.#speaker.forgetEpoch(epoch);
    for (const member of this.#roster.all()) {
      member.streams.delete(epoch);
    }
  }

  #createSpeaker(incarnation: number): Speaker {
    const { vlanId, publicKey, tokenPeriodSeconds } = this.#options;
    const ports = this.#ports;
    return new Speaker({
      outlet: new ControlOutlet({ ports, vlanId, publicKey, tokenPeriodSeconds, incarnation }),
      ports,
      counters: this.counters,
      agreementKey: this.#keys.agreementKey,
      epochs: this.#epochs,
      salts: (epoch) => this.#salts.ofEpoch(epoch),
      local: this.#book.local,
      membersToAnswer: () => (this.#options.kind === 'open' ? 0 : this.#roster.size),
      unixMs: () => this.#unixMs(),
      emit: (effect) => {
        this.#effects.push(effect);
      },
    });
  }

  #createIntake(): MemberIntake {
    return new MemberIntake({
      options: this.#options,
      ports: this.#ports,
      roster: this.#roster,
      book: this.#book,
      keys: this.#keys,
      speaker: this.#speaker,
      epochs: this.#epochs,
      counters: this.counters,
      incarnation: this.#speaker.incarnation,
      notice: (code, message) => {
        this.#notice(code, message);
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
