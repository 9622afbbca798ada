/**
 * Those who announce tokens in a VLAN's segment and have not been heard as members: what they said first was lost, or what
 * we did.
 *
 *   somebody begins to announce ──100 ms──▶ greet: we announce ourselves
 *   somebody is unknown still ──1 s, 2 s, 4 s … 30 s──▶ ask: everybody announces himself
 *
 * Heartbeats would bring them together as well, half a minute later. Main thread; no timer of its own: `poll` often.
 */

/** Those who come together are greeted together. */
const GREETING_MS = 100;
const ASK_FIRST_MS = 1_000;
/** As often as heartbeats come anyway. */
const ASK_MOST_MS = 30_000;

/** What they are found by, and what is done. */
export interface NewcomerPorts {
  /** Who else announces, by nonce. */
  announcers(): ReadonlySet<string>;
  /** Whether somebody announces whom no live member's key explains. */
  hasStrangers(): boolean;
  greet(): void;
  ask(): void;
}

/** See the file's head. */
export class Newcomers {
  readonly #ports: NewcomerPorts;
  #announcers: ReadonlySet<string> = new Set();
  #greetAtMs = Number.POSITIVE_INFINITY;
  #askAtMs = Number.POSITIVE_INFINITY;
  #askDelayMs = ASK_FIRST_MS;

  constructor(ports: NewcomerPorts) {
    this.#ports = ports;
  }

  /** Announcers may have come or gone. */
  changed(nowMs: number): void {
    const known = this.#announcers;
    this.#announcers = this.#ports.announcers();
    if (![...this.#announcers].some((nonce) => !known.has(nonce))) return;
    this.#greetAtMs = Math.min(this.#greetAtMs, nowMs + GREETING_MS);
    this.#askDelayMs = ASK_FIRST_MS;
    this.#askAtMs = Math.min(this.#askAtMs, nowMs + ASK_FIRST_MS);
  }

  /** Time has passed; call it a few times a second. */
  poll(nowMs: number): void {
    if (nowMs >= this.#greetAtMs) {
      this.#greetAtMs = Number.POSITIVE_INFINITY;
      this.#ports.greet();
    }
    if (nowMs < this.#askAtMs) return;
    this.#askAtMs = Number.POSITIVE_INFINITY;
    if (!this.#ports.hasStrangers()) return;
    this.#ports.ask();
    this.#askDelayMs = Math.min(2 * this.#askDelayMs, ASK_MOST_MS);
    this.#askAtMs = nowMs + this.#askDelayMs;
  }
}
