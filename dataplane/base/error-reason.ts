/**
 * What a thrown value says, for a sentence that goes on to tell somebody what to do. Any thread; pure. As long as the
 * error is: where a peer's own text could be in it, the caller has to cut.
 */

/** An error's message; anything else as text. */
export function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
