/**
 * The one way to say "this is a bug". Any thread. A failed invariant throws: on the main thread it ends the
 * daemon, in a worker it ends the worker, which the supervisor restarts. Never used for bytes from a peer.
 */

/** Thrown when the program contradicts itself; nothing catches it but a supervisor. */
export class InvariantError extends Error {
  override readonly name = 'InvariantError';
}

/**
 * Asserts what must hold.
 *
 * @param condition - what must be true
 * @param message - what is wrong when it is not, in the present tense
 * @throws InvariantError when the condition is false
 */
export function invariant(condition: boolean, message: string): asserts condition {
  if (!condition) throw new InvariantError(message);
}
