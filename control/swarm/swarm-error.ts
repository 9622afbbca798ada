/**
 * What can go wrong with this node's private swarm, in words for the person who runs it.
 *
 * Main thread only.
 */

/** Why a swarm could not be made, joined, left, rotated, loaded or stored. */
export type SwarmErrorCode =
  | 'invalid-swarm-key'
  | 'in-swarm'
  | 'no-swarm'
  | 'no-rotation'
  | 'state-corrupt'
  | 'state-unreadable'
  | 'state-unwritable';

/** An operating error; `message` is a sentence that says what to do. It never holds a key. */
export class SwarmError extends Error {
  override readonly name = 'SwarmError';
  readonly code: SwarmErrorCode;

  constructor(code: SwarmErrorCode, message: string, options: ErrorOptions = {}) {
    super(message, options);
    this.code = code;
  }
}
