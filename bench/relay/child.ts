/**
 * Owns a process of the bench in a namespace, which answers questions one at a time.
 *
 *   bench ──question──▶ node entry.ts (in its namespace, on its core) ──answer──▶ bench
 *
 * It may be busy while it answers; it ends with the bench. One side runs on the bench's main thread, the other is the
 * process itself.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { collect, findTool, killWithUs, toolPath } from '../../test/lab/command.ts';
import type { Namespace } from '../../test/lab/namespace.ts';

type Reply<A> = { readonly answer: A } | { readonly error: string };

/** The bench's side. */
export class BenchChild<Q extends object, A> {
  readonly #process: ChildProcess;
  readonly #complaints: () => string;
  readonly #title: string;

  /**
   * @param entry - the module that calls {@link answerBench}
   * @param core - to run on alone, where the program taskset is there
   */
  constructor(namespace: Namespace, entry: URL, core?: number) {
    const node = [process.execPath, fileURLToPath(entry)];
    const isPinned = core !== undefined && findTool('taskset') !== undefined;
    const command = isPinned ? ['taskset', '-c', String(core), ...node] : node;
    this.#title = entry.pathname.split('/').at(-1) ?? '';
    this.#process = spawn(toolPath('ip'), namespace.within(command[0] ?? '', command.slice(1)), {
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    });
    killWithUs(this.#process);
    this.#complaints = collect(this.#process, 'stderr');
  }

  /** @throws Error with the process's own stack, or with what it complained of when it has ended */
  async ask(question: Q): Promise<A> {
    const settled = new AbortController();
    const options = { signal: settled.signal };
    const answered = once(this.#process, 'message', options) as Promise<[Reply<A>]>;
    const ended = once(this.#process, 'exit', options).then(() => {
      throw new Error(`${this.#title} has ended: ${this.#complaints()}`);
    });
    this.#process.send(question);
    const [reply] = await Promise.race([answered, ended]).finally(() => settled.abort());
    if ('error' in reply) throw new Error(`${this.#title}: ${reply.error}`);
    return reply.answer;
  }

  async close(): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const ended = once(this.#process, 'exit');
    this.#process.kill('SIGKILL');
    await ended;
  }
}

/**
 * The process's side: answers for as long as it is asked.
 *
 * @param answer - given what the bench asks of this process
 */
export function answerBench(answer: (question: never) => unknown): void {
  process.on('message', (question) => {
    process.send?.(tryAnswer(() => answer(question as never)));
  });
  process.on('disconnect', () => process.exit());
}

function tryAnswer(answer: () => unknown): Reply<unknown> {
  try {
    return { answer: answer() };
  } catch (error) {
    return { error: error instanceof Error ? (error.stack ?? error.message) : String(error) };
  }
}
