/**
 * Carries out what the admission desk of one VLAN wants, in its order: what is to be on disk before an answer is there
 * before it.
 *
 * Main thread. Lists of effects wait for each other; when a write fails, the rest of its list is not done, and whoever
 * asked asks again.
 */
import { reasonOf } from '../../dataplane/base/error-reason.ts';
import { AdmissionDesk } from '../admission/admission-desk.ts';
import type {
  AdmissionRequest,
  DeskEffect,
  DeskInput,
  DeskOptions,
  DeskSituation,
} from '../admission/desk-port.ts';

/** How often requests and invites are looked through for those that have expired. */
const TICK_MS = 60_000;

/** What the driver drives. */
export interface DeskDriverParts {
  readonly options: DeskOptions;
  readonly situation: DeskSituation;
  readonly stored: Uint8Array | undefined;
  save(bytes: Uint8Array): Promise<void>;
  send(peer: string, bytes: Uint8Array): void;
  admit(peer: string, keyPackage: Uint8Array, admission: Uint8Array): void;
  notice(level: 'info' | 'error', message: string, peer: string | undefined): void;
  unixMs(): number;
}

/** See the file's head. */
export class DeskDriver {
  readonly #parts: DeskDriverParts;
  readonly #desk: AdmissionDesk;
  readonly #timer: NodeJS.Timeout;
  #last: Promise<void> = Promise.resolve();

  constructor(parts: DeskDriverParts) {
    this.#parts = parts;
    this.#desk = new AdmissionDesk(parts.options, parts.situation, parts.stored);
    this.#timer = setInterval(() => {
      this.input({ kind: 'tick' });
    }, TICK_MS);
  }

  get counters(): ReadonlyMap<string, number> {
    return this.#desk.counters;
  }

  requests(): readonly AdmissionRequest[] {
    return this.#desk.requests();
  }

  input(input: DeskInput): void {
    void this.#perform(this.#desk.handle(input, this.#parts.unixMs())).catch(() => undefined);
  }

  /** @returns when the invite is on disk @throws AdmissionError, or the disk's error */
  issue(invite: { secret: Uint8Array; uses: number; expiresAtMs: number | null }): Promise<void> {
    return this.#perform(this.#desk.issue(invite, this.#parts.unixMs()));
  }

  /** @returns when the admission is on disk @throws AdmissionError, or the disk's error */
  approve(peer: string): Promise<void> {
    return this.#perform(this.#desk.approve(peer, this.#parts.unixMs()));
  }

  /** @throws AdmissionError, or the disk's error */
  refuse(peer: string): Promise<void> {
    return this.#perform(this.#desk.refuse(peer, this.#parts.unixMs()));
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #perform(effects: readonly DeskEffect[]): Promise<void> {
    const done = this.#last.then(() => this.#carryOut(effects));
    this.#last = done.catch(() => undefined);
    return done;
  }

  async #carryOut(effects: readonly DeskEffect[]): Promise<void> {
    for (const effect of effects) {
      if (effect.kind === 'save') await this.#save(effect.bytes);
      else if (effect.kind === 'send') this.#parts.send(effect.peer, effect.bytes);
      else if (effect.kind === 'admit') {
        this.#parts.admit(effect.peer, effect.keyPackage, effect.admission);
      } else this.#parts.notice('info', effect.message, effect.peer);
    }
  }

  async #save(bytes: Uint8Array): Promise<void> {
    try {
      await this.#parts.save(bytes);
    } catch (error) {
      const reason = reasonOf(error);
      this.#parts.notice('error', `invites and requests cannot be written: ${reason}`, undefined);
      throw error;
    }
  }
}
