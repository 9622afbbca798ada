/**
 * Keeps a worker from telling the main thread the same thing for every batch until it has acted: an event of one kind
 * about one subject goes out at most ten times a second, and of frames that are passed on whole so many a second. The
 * worker's thread. A small table in which a newer subject takes an older one's place: whatever is forgotten is only said again.
 */

const SLOTS = 256;
const QUIET_MS = 100;
const FIELDS = 6;
/** Who speaks of groups does so some times a minute; a machine behind the TAP that does nothing else must not stop the rest. */
const FRAMES_A_WINDOW = 200;

/** Remembers what was said lately. */
export class EventLimiter {
  /** kind, a, b, c, d, time; a slot each. */
  readonly #slots = new Uint32Array(SLOTS * FIELDS);
  #windowMs = 0;
  #framesInWindow = 0;

  /** @returns true for the first 200 frames in 100 ms; they then count as told */
  admitFrame(nowMs: number): boolean {
    if ((nowMs - this.#windowMs) >>> 0 >= QUIET_MS) {
      this.#windowMs = nowMs;
      this.#framesInWindow = 0;
    }
    return this.#framesInWindow++ < FRAMES_A_WINDOW;
  }

  /**
   * @param kind - EVENT, not 0
   * @param words - four words that name the subject
   * @returns true when it was not said within 100 ms; it then counts as said
   */
  admit(kind: number, words: Readonly<Uint32Array>, nowMs: number): boolean {
    const slots = this.#slots;
    let hash = kind;
    for (let i = 0; i < 4; i++) hash = Math.imul(hash ^ (words[i] ?? 0), 0x9e3779b1) ^ (hash >>> 15);
    const at = ((hash >>> 8) % SLOTS) * FIELDS;
    let same = slots[at] === kind;
    for (let i = 0; i < 4; i++) same &&= slots[at + 1 + i] === words[i];
    if (same && (nowMs - (slots[at + 5] ?? 0)) >>> 0 < QUIET_MS) return false;
    slots[at] = kind;
    for (let i = 0; i < 4; i++) slots[at + 1 + i] = words[i] ?? 0;
    slots[at + 5] = nowMs;
    return true;
  }
}
