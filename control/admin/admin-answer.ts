/**
 * What a route answers with: a whole text, or pieces that come for as long as something runs.
 *
 *   whole     status, type, text
 *   streamed  NDJSON (one object a line; the last one says how it ended), or bytes
 *
 * Main thread. Must never hold more of a streamed answer than the client is slow to take: what is written says when it is
 * too much.
 */

/** Lines of JSON, each for itself. */
export const NDJSON_CONTENT_TYPE = 'application/x-ndjson';

/** An answer that is there at once. */
export interface Answer {
  readonly status: number;
  readonly contentType: string;
  readonly text: string;
}

/** Where a streamed answer goes. */
export interface AnswerOutlet {
  /** @returns false: the client is slow; go on when {@link AnswerOutlet.drained} resolves */
  write(bytes: Uint8Array | string): boolean;
  /** Resolves at once when there is room, or nobody left who reads. */
  drained(): Promise<void>;
  /** Aborted when the client is gone, or says that it has enough. */
  readonly signal: AbortSignal;
}

/** An answer that comes piece by piece, with status 200. */
export interface StreamedAnswer {
  readonly contentType: string;
  /** By which the client may end it in order; absent: only by going away. */
  readonly name?: string | undefined;
  /** Rejects before its first piece: the request is refused as any other. */
  run(outlet: AnswerOutlet): Promise<void>;
}

/** A JSON answer. */
export function json(status: number, value: unknown): Answer {
  return { status, contentType: 'application/json', text: jsonLine(value) };
}

/** A value as one line. */
export function jsonLine(value: unknown): string {
  return `${JSON.stringify(value)}\n`;
}
