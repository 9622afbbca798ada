/**
 * The admin API: HTTP on the control socket, for the command and for scripts.
 *
 * socket → limits (size, time, connections) → route → JSON of the body → DaemonControl → answer, whole or piece by piece
 *
 * Main thread. Must never listen on a network, hold more than one small body a connection, or let a bad request
 * or a handler's failure end the daemon.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { type Answer, json, type StreamedAnswer } from './admin-answer.ts';
import { errorAnswer } from './admin-error.ts';
import { findRoute, type RouteContext } from './admin-routes.ts';
import { AnswerStreams } from './answer-streams.ts';
import { listenOnSocket } from './control-socket.ts';
import { ControlError, type DaemonControl } from './daemon-control.ts';
import type { InspectionControl } from './inspection.ts';

/** The largest request sets a VLAN's icon; all others take 5 KiB at most. */
const MAX_BODY_BYTES = 16_384;
/** Beyond this a client gets no answer but a closed connection. */
const MAX_DRAINED_BYTES = 1_048_576;
/** A person, a few scripts and a scraper; more is a mistake. */
const MAX_CONNECTIONS = 64;
const REQUEST_TIMEOUT_MS = 10_000;

/** What the server logs with; pino has this shape. */
export interface AdminLog {
  error(details: object, message: string): void;
}

/** A running admin server. */
export interface AdminServer {
  /** Ends open connections and removes the socket. */
  close(): Promise<void>;
}

/** What an admin server is started with. */
export interface AdminServerOptions {
  /** Of the socket. */
  readonly path: string;
  readonly daemon: DaemonControl;
  /** Answers what looks inside. */
  readonly inspection: InspectionControl;
  /** For bugs met in handlers. */
  readonly log: AdminLog;
}

/**
 * Starts the admin server.
 *
 * @throws SocketError when the socket cannot be bound
 */
export async function startAdminServer(options: AdminServerOptions): Promise<AdminServer> {
  const streams = new AnswerStreams();
  const context = { daemon: options.daemon, inspection: options.inspection, streams };
  const server = createServer({ requestTimeout: REQUEST_TIMEOUT_MS }, (request, response) => {
    void answer(request, response, { context, streams, log: options.log });
  });
  server.maxConnections = MAX_CONNECTIONS;
  await listenOnSocket(server, options.path);
  return {
    close: () => {
      streams.close();
      return closeServer(server);
    },
  };
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  parts: { readonly context: RouteContext; readonly streams: AnswerStreams; readonly log: AdminLog },
): Promise<void> {
  const failure = (error: unknown): ReturnType<typeof errorAnswer> => {
    const failed = errorAnswer(error);
    // Without its query, which may hold a VLAN's id.
    const path = request.url?.split('?', 1)[0];
    if (failed.isBug) parts.log.error({ err: error, path }, 'admin request failed');
    return failed;
  };
  try {
    const result = await handle(request, parts.context);
    if ('text' in result) send(request, response, result);
    else await parts.streams.serve(response, result, (error) => failure(error).body);
  } catch (error) {
    const { status, body } = failure(error);
    send(request, response, json(status, body));
  }
}

async function handle(request: IncomingMessage, context: RouteContext): Promise<Answer | StreamedAnswer> {
  const method = request.method ?? 'GET';
  const [path = '/', query = ''] = (request.url ?? '/').split('?', 2);
  const handler = findRoute(method, path);
  const input = method === 'POST' ? await readJson(request) : Object.fromEntries(new URLSearchParams(query));
  return handler(context, input);
}

async function readJson(request: IncomingMessage): Promise<unknown> {
  const text = await readBody(request);
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new ControlError('bad-request', 'expected a JSON object as the body of the request', {
      cause: error,
    });
  }
}

/** Leaving the loop early would destroy the connection before the answer, so what is too much is read and dropped. */
async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MAX_DRAINED_BYTES) break;
    if (size <= MAX_BODY_BYTES) chunks.push(chunk);
  }
  if (size > MAX_BODY_BYTES) {
    throw new ControlError('body-too-large', `expected a body of at most ${MAX_BODY_BYTES} bytes`);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function send(
  request: IncomingMessage,
  response: ServerResponse,
  { status, contentType, text }: Answer,
): void {
  // What is left of an unread body would be taken for the next request.
  const headers = request.complete ? {} : { connection: 'close' };
  response.writeHead(status, {
    ...headers,
    'content-type': contentType,
    'content-length': Buffer.byteLength(text),
  });
  response.end(text);
}

function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => {
      resolve();
    });
    server.closeAllConnections();
  });
}
