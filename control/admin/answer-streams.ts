/**
 * Serves answers that come piece by piece, and ends them: when they are done, when the client goes, when it says so, or
 * when the server closes.
 *
 * Main thread. Must never let a client that does not read make the daemon keep what it does not take.
 */
import type { ServerResponse } from 'node:http';
import { jsonLine, NDJSON_CONTENT_TYPE, type StreamedAnswer } from './admin-answer.ts';
import type { ErrorBody } from './admin-error.ts';
import { ControlError } from './daemon-control.ts';

/** Each may have a socket and a buffer of its own behind it; a person runs two or three. */
const MAX_STREAMS = 16;
/** A capture of full-size super-frames fills 64 KiB with one frame. */
const BUFFERED_BYTES = 4_194_304;

/** See the file's head. */
export class AnswerStreams {
  readonly #running = new Set<AbortController>();
  readonly #named = new Map<string, AbortController>();

  /**
   * Runs an answer to its end.
   *
   * @param bodyOf - what the client is told of a failure
   * @throws what `run` rejects with before its first piece; nothing was sent then
   */
  async serve(
    response: ServerResponse,
    answer: StreamedAnswer,
    bodyOf: (error: unknown) => ErrorBody,
  ): Promise<void> {
    const ended = this.#open(answer.name);
    response.once('close', () => ended.abort());
    const begin = (): void => {
      if (!response.headersSent) response.writeHead(200, { 'content-type': answer.contentType });
    };
    const write = (bytes: Uint8Array | string): boolean => {
      begin();
      return response.write(bytes) || response.writableLength < BUFFERED_BYTES;
    };
    try {
      await answer.run({ write, drained: () => drained(response), signal: ended.signal });
      begin();
      response.end();
    } catch (error) {
      if (!response.headersSent) throw error;
      const body = bodyOf(error);
      if (answer.contentType === NDJSON_CONTENT_TYPE) response.end(jsonLine(body));
      else response.destroy();
    } finally {
      this.#running.delete(ended);
      if (answer.name !== undefined) this.#named.delete(answer.name);
    }
  }

  /** Ends one in order. @throws ControlError `not-found` when none of that name runs */
  stop(name: string): void {
    const running = this.#named.get(name);
    if (running === undefined) throw new ControlError('not-found', `nothing of the name ${name} runs`);
    running.abort();
  }

  /** Ends all. */
  close(): void {
    for (const running of this.#running) running.abort();
  }

  #open(name: string | undefined): AbortController {
    if (this.#running.size >= MAX_STREAMS) {
      const message = `${MAX_STREAMS} pings, traces and captures run already; end one first`;
      throw new ControlError('busy', message);
    }
    if (name !== undefined && this.#named.has(name)) {
      throw new ControlError('bad-request', `name: ${name} is taken by another one that runs`);
    }
    const controller = new AbortController();
    this.#running.add(controller);
    if (name !== undefined) this.#named.set(name, controller);
    return controller;
  }
}

function drained(response: ServerResponse): Promise<void> {
  if (!response.writableNeedDrain || response.destroyed) return Promise.resolve();
  return new Promise((resolve) => {
    const done = (): void => {
      response.off('drain', done).off('close', done);
      resolve();
    };
    response.on('drain', done).on('close', done);
  });
}
