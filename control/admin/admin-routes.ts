/**
 * The routes of the admin API: which path and method asks what of the daemon.
 *
 *   GET  /v1/status  /v1/peers  /v1/vlans        POST /v1/vlans        {name}
 *   GET  /metrics                                POST /v1/vlans/join   {id, interface, addresses?, mtuBytes?}
 *                                                POST /v1/vlans/leave  {id}
 *
 * Main thread. Request bodies are checked by the config's own schema, so both give the same messages.
 * Must never touch the network.
 */
import { parseWith } from '../config/config.ts';
import { createRequestSchema, leaveRequestSchema, vlanAttachmentSchema } from '../config/schema.ts';
import { ControlError, type DaemonControl } from './daemon-control.ts';
import { formatMetrics, METRICS_CONTENT_TYPE } from './metrics-text.ts';

/** What a route answers with. */
export interface Answer {
  readonly status: number;
  readonly contentType: string;
  readonly text: string;
}

/** Answers one request; `body` is the parsed JSON of a POST. */
type Handler = (daemon: DaemonControl, body: unknown) => Answer | Promise<Answer>;

const ROUTES: Readonly<Record<string, Readonly<Record<string, Handler>>>> = {
  '/v1/status': { GET: (daemon) => json(200, daemon.status()) },
  '/v1/peers': { GET: (daemon) => json(200, { peers: daemon.peers() }) },
  '/v1/vlans': {
    GET: (daemon) => json(200, { vlans: daemon.vlans() }),
    POST: async (daemon, body) =>
      json(201, await daemon.createVlan(parseWith(createRequestSchema, body).name)),
  },
  '/v1/vlans/join': {
    POST: async (daemon, body) => json(200, await daemon.joinVlan(parseWith(vlanAttachmentSchema, body))),
  },
  '/v1/vlans/leave': {
    POST: async (daemon, body) => {
      await daemon.leaveVlan(parseWith(leaveRequestSchema, body).id);
      return json(200, {});
    },
  },
  '/metrics': {
    GET: (daemon) => ({
      status: 200,
      contentType: METRICS_CONTENT_TYPE,
      text: formatMetrics(daemon.status()),
    }),
  },
};

/**
 * Finds the handler of a request.
 *
 * @param method - as in the request line
 * @param path - without the query
 * @throws ControlError `not-found` or `method-not-allowed`
 */
export function findRoute(method: string, path: string): Handler {
  const methods = Object.hasOwn(ROUTES, path) ? ROUTES[path] : undefined;
  if (methods === undefined) {
    throw new ControlError('not-found', `no such path; there are ${Object.keys(ROUTES).join(', ')}`);
  }
  const handler = Object.hasOwn(methods, method) ? methods[method] : undefined;
  if (handler === undefined) {
    const allowed = Object.keys(methods).join(' and ');
    throw new ControlError('method-not-allowed', `${path} takes ${allowed}, not ${method}`);
  }
  return handler;
}

/** A JSON answer. */
export function json(status: number, value: unknown): Answer {
  return { status, contentType: 'application/json', text: `${JSON.stringify(value)}\n` };
}
