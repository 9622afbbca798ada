/**
 * Deeds about one VLAN that take time, one after the other: a join that comes while a leave is under way begins when
 * that has ended. Main thread; a turn must not wait for another one of the same VLAN.
 */
export class Turns {
  readonly #last = new Map<string, Promise<unknown>>();

  /** @returns what the deed comes to; it is done when those before it have ended, however they did */
  take<T>(vlan: string, deed: () => Promise<T>): Promise<T> {
    const turn = (this.#last.get(vlan) ?? Promise.resolve()).then(deed);
    const ended = turn
      .catch(() => undefined)
      .then(() => {
        if (this.#last.get(vlan) === ended) this.#last.delete(vlan);
      });
    this.#last.set(vlan, ended);
    return turn;
  }
}
