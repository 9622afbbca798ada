/**
 * One request of the command to the daemon, and its answer: whole, or piece by piece.
 *
 * Runs in the `peertap` command. Must never retry: a request that changes something is sent once.
 */
import { type IncomingMessage, request } from 'node:http';
import type { ErrorBody } from './admin-error.ts';

const RESPONSE_TIMEOUT_MS = 15_000;
/** How a daemon begins its answer to a path that it does not have, whatever its version. */
const NO_SUCH_PATH = 'no such path';

/** `unreachable`: no daemon, no permission, no answer; `refused`: the daemon said no. */
export type AdminClientErrorCode = 'unreachable' | 'refused';

/** A request that did not succeed; `message` says what to do. */
export class AdminClientError extends Error {
  override readonly name = 'AdminClientError';
  readonly code: AdminClientErrorCode;
  /** The daemon's own code, when it answered. */
  readonly reason: string | undefined;

  constructor(
    code: AdminClientErrorCode,
    message: string,
    options: { reason?: string; cause?: unknown } = {},
  ) {
    super(message, { cause: options.cause });
    this.code = code;
    this.reason = options.reason;
  }
}

/** What is asked. */
export interface DaemonRequest {
  readonly method: string;
  readonly path: string;
  /** Sent as JSON. */
  readonly body?: unknown;
}

/**
 * Asks for a whole answer.
 *
 * @returns its JSON
 * @throws AdminClientError
 */
export async function askDaemon(socketPath: string, wanted: DaemonRequest): Promise<unknown> {
  const response = await open(socketPath, wanted, RESPONSE_TIMEOUT_MS);
  const answer = parseAnswer(await collect(socketPath, response), socketPath);
  if (isSuccess(response)) return answer;
  throw refused(answer, socketPath);
}

/**
 * Asks for an answer that comes piece by piece, for as long as it takes.
 *
 * @param signal - ends it from this side
 * @throws AdminClientError, also while it is read; nothing when the signal ended it
 */
export async function* streamFromDaemon(
  socketPath: string,
  wanted: DaemonRequest,
  signal: AbortSignal,
): AsyncGenerator<Buffer> {
  try {
    const response = await open(socketPath, wanted, 0, signal);
    if (!isSuccess(response)) {
      throw refused(parseAnswer(await collect(socketPath, response), socketPath), socketPath);
    }
    for await (const chunk of response as AsyncIterable<Buffer>) yield chunk;
  } catch (error) {
    if (signal.aborted) return;
    throw error instanceof AdminClientError ? error : unreachable(socketPath, error as NodeJS.ErrnoException);
  }
}

/**
 * Takes lines out of a stream of pieces.
 *
 * @throws AdminClientError when the stream ends within a line, or the daemon says in its last one why it failed
 */
export async function* jsonLines(socketPath: string, chunks: AsyncIterable<Buffer>): AsyncGenerator {
  let rest = '';
  for await (const chunk of chunks) {
    // Cut at line feeds only, so that no character of several bytes is cut.
    const pieces = (rest + chunk.toString('latin1')).split('\n');
    rest = pieces.pop() ?? '';
    for (const piece of pieces) {
      const value = parseAnswer(Buffer.from(piece, 'latin1').toString('utf8'), socketPath);
      if (isError(value)) throw refused(value, socketPath);
      yield value;
    }
  }
  if (rest !== '') throw new AdminClientError('unreachable', `the daemon on ${socketPath} went away`);
}

function open(
  socketPath: string,
  { method, path, body }: DaemonRequest,
  timeoutMs: number,
  signal?: AbortSignal,
): Promise<IncomingMessage> {
  const text = body === undefined ? undefined : JSON.stringify(body);
  return new Promise((resolve, reject) => {
    const abort = signal === undefined ? {} : { signal };
    const options = { socketPath, method, path, timeout: timeoutMs, agent: false, ...abort };
    const outgoing = request(options, resolve);
    outgoing.once('timeout', () => {
      outgoing.destroy(new Error(`no answer within ${timeoutMs / 1000} s`));
    });
    outgoing.on('error', (error) => {
      reject(unreachable(socketPath, error));
    });
    if (text !== undefined) outgoing.setHeader('content-type', 'application/json');
    outgoing.end(text);
  });
}

function isSuccess({ statusCode = 0 }: IncomingMessage): boolean {
  return statusCode >= 200 && statusCode < 300;
}

function isError(value: unknown): boolean {
  return typeof value === 'object' && value !== null && 'error' in value;
}

async function collect(socketPath: string, response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  try {
    for await (const chunk of response as AsyncIterable<Buffer>) chunks.push(chunk);
  } catch (error) {
    throw unreachable(socketPath, error as NodeJS.ErrnoException);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function parseAnswer(text: string, path: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    const message = `what answers on ${path} is no PeerTap daemon, or one of another version`;
    throw new AdminClientError('unreachable', message, { cause: error });
  }
}

/** An older daemon answers a command's newer path in its own words. */
function refused(answer: unknown, path: string): AdminClientError {
  const { code, message } = (answer as Partial<ErrorBody> | null)?.error ?? {};
  if (message === undefined || (code === 'not-found' && message.startsWith(NO_SUCH_PATH))) {
    const advice = `the daemon on ${path} does not know this command; restart it, so that both are of one version`;
    return new AdminClientError('refused', advice, code === undefined ? {} : { reason: code });
  }
  return new AdminClientError('refused', message, code === undefined ? {} : { reason: code });
}

function unreachable(path: string, cause: NodeJS.ErrnoException): AdminClientError {
  const sentences: Readonly<Record<string, string>> = {
    ENOENT: `no daemon runs here: there is no socket ${path}. Start one with \`peertap daemon\`, or name its socket with --socket`,
    ECONNREFUSED: `no daemon runs here: nobody answers on ${path}, which one left behind. Start one with \`peertap daemon\``,
    EACCES: `no permission to use ${path}; run as root, or as a member of the socket's group`,
    EPERM: `no permission to use ${path}; run as root, or as a member of the socket's group`,
    ENOTSOCK: `${path} is no socket; name the daemon's socket with --socket`,
  };
  const message = sentences[cause.code ?? ''] ?? `the daemon on ${path} cannot be asked: ${cause.message}`;
  return new AdminClientError('unreachable', message, { cause });
}
