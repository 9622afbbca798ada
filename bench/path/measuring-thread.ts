/**
 * Owns a thread that measures one engine: a heap, a compiler and type feedback of its own, as a data worker has. The
 * bench's main thread asks, the measuring thread answers with readings, one question at a time.
 */
import { once } from 'node:events';
import { parentPort, Worker, workerData } from 'node:worker_threads';
import type { BenchEngine, Place } from '../section.ts';

/** One reading and the group that it belongs to. */
export interface Reading<G extends string> {
  readonly group: G;
  readonly place: Place;
  readonly value: number;
}

/** What a measuring thread is started with. */
export interface MeasuringStart {
  readonly engine: BenchEngine;
  /** Length of one measurement. */
  readonly seconds: number;
  /** The least that runs every step. */
  readonly smoke: boolean;
  /** The first of the threads: what is the same for all engines is measured there. */
  readonly first: boolean;
}

/** What it is asked. */
export interface MeasuringQuestion {
  readonly repeat: number;
  /** No repeat follows: what is measured once comes now. */
  readonly last: boolean;
}

type Answer<G extends string> = { readonly readings: readonly Reading<G>[] } | { readonly error: string };

/** Answers one question. */
export type Measure<G extends string> = (
  question: MeasuringQuestion,
) => readonly Reading<G>[] | Promise<readonly Reading<G>[]>;

/** The main thread's side. */
export class MeasuringThread<G extends string> {
  readonly #worker: Worker;

  /** @param entry - the module that calls {@link answerQuestions} */
  constructor(entry: URL, start: MeasuringStart) {
    this.#worker = new Worker(entry, { workerData: start });
  }

  /** @throws Error with the thread's own stack, when measuring failed */
  async ask(question: MeasuringQuestion): Promise<readonly Reading<G>[]> {
    const answered = once(this.#worker, 'message') as Promise<[Answer<G>]>;
    this.#worker.postMessage(question);
    const [answer] = await answered;
    if ('error' in answer) throw new Error(`a measuring thread failed: ${answer.error}`);
    return answer.readings;
  }

  async close(): Promise<void> {
    await this.#worker.terminate();
  }
}

/**
 * The measuring thread's side: answers for as long as it is asked.
 *
 * @param make - what is measured; called once, before the first answer
 */
export function answerQuestions<G extends string>(make: (start: MeasuringStart) => Measure<G>): void {
  const port = parentPort;
  if (port === null) throw new Error('a measuring thread is started by the bench');
  let measure: Measure<G> | undefined;
  const answer = async (question: MeasuringQuestion): Promise<Answer<G>> => {
    try {
      measure ??= make(workerData as MeasuringStart);
      return { readings: await measure(question) };
    } catch (error) {
      return { error: error instanceof Error ? (error.stack ?? error.message) : String(error) };
    }
  };
  port.on('message', (question: MeasuringQuestion) => {
    void answer(question).then((answered) => port.postMessage(answered));
  });
}
