/**
 * Who may have which Welcome: one may be for several peers that come in by one commit. Main thread; pure.
 */

/** The exchange offers some more objects than these. */
const WELCOMES_MAX = 16;

/** Guests by Welcome; the oldest Welcomes are forgotten. */
export class WelcomeGuests {
  readonly #guests = new Map<string, Set<string>>();

  /** @returns all who may have it now */
  add(digest: string, peer: string): ReadonlySet<string> {
    const guests = (this.#guests.get(digest) ?? new Set<string>()).add(peer);
    this.#guests.delete(digest);
    this.#guests.set(digest, guests);
    const oldest = this.#guests.keys().next();
    if (this.#guests.size > WELCOMES_MAX && oldest.done !== true) this.#guests.delete(oldest.value);
    return guests;
  }
}
