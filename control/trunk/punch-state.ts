/** What a trunk remembers of its rounds of hole punching (punching.ts). Main thread, pure. */

/** What the Hello tells is tried first; the responder leaves the initiator the first word. */
const FIRST_MS = 300;
const FIRST_RESPONDER_MS = 900;

/** What a trunk remembers of its rounds. */
export interface PunchState {
  nextAtMs: number;
  vainRounds: number;
  /** What may still be sent to addresses that the peer has named. */
  allowanceBytes: number;
}

export function newPunchState(nowMs: number, isInitiator: boolean): PunchState {
  return {
    nextAtMs: nowMs + (isInitiator ? FIRST_MS : FIRST_RESPONDER_MS),
    vainRounds: 0,
    allowanceBytes: 0,
  };
}
