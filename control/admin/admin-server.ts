/**
 * The admin API: HTTP on the control socket, for the command and for scripts.
 *
 * socket → limits (size, time, connections) → route → JSON of the body → DaemonControl → answer
 *
 * Main thread. Must never listen on a network, hold more than one small body a connection, or let a bad request
 * or a handler's failure end the daemon.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { errorAnswer } from './admin-error.ts';
import { type Answer, findRoute, json } from './admin-routes.ts';
import { listenOnSocket } from './control-socket.ts';
import { ControlError, type DaemonControl } from './daemon-control.ts';

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

/**
 * Starts the admin server.
 *
 * @param options - `path` of the socket; `daemon` that answers; `log` for bugs met in handlers
 * @throws SocketError when the socket cannot be bound
 */
export async function startAdminServer(options: {
  readonly path: string;
  readonly daemon: DaemonControl;
  readonly log: AdminLog;
}): Promise<AdminServer> {
  const server = createServer({ requestTimeout: REQUEST_TIMEOUT_MS }, (request, response) => {
    void answer(request, options).then((result) => {
      send(request, response, result);
    });
  });
  server.maxConnections = MAX_CONNECTIONS;
  await listenOnSocket(server, options.path);
  return { close: () => closeServer(server) };
}

async function answer(
  request: IncomingMessage,
  options: { readonly daemon: DaemonControl; readonly log: AdminLog },
): Promise<Answer> {
  try {
    const method = request.method ?? 'GET';
    const [path = '/', query = ''] = (request.url ?? '/').split('?', 2);
    const handler = findRoute(method, path);
    const input =
      method === 'POST' ? await readJson(request) : Object.fromEntries(new URLSearchParams(query));
    return await handler(options.daemon, input);
  } catch (error) {
    const { status, body, isBug } = errorAnswer(error);
    // Without its query, which may hold a VLAN's id.
    const path = request.url?.split('?', 1)[0];
    if (isBug) options.log.error({ err: error, path }, 'admin request failed');
    return json(status, body);
  }
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
