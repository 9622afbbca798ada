/**
 * The routes of the admin API: which path and method asks what of the daemon.
 *
 *   GET  /v1/status  /v1/peers  /v1/vlans        POST /v1/vlans          {name, private?, subnet?}
 *   GET  /v1/vlans/browse                        POST /v1/vlans/join     {id | invite, interface, addresses?, mtuBytes?}
 *   GET  /v1/vlans/requests?id=…                 POST /v1/vlans/leave    {id}
 *   GET  /v1/vlans/members?id=…                  POST /v1/vlans/invite   {id, uses?, expiresSeconds?, oneTimeSecret?}
 *   GET  /v1/swarm                               POST /v1/vlans/approve  {id, peer}      /v1/vlans/remove  {id, peer}
 *   GET  /metrics                                POST /v1/vlans/set      {id, changes: {key: text}}
 *                                                POST /v1/swarm/configure  exchange  leave  rotate  finish  {}    join  {key}
 *
 * Those that look inside a node are in inspection-routes.ts.
 *
 * Main thread. Request bodies are checked by schemas made of the config's parts, so both give the same messages.
 * Must never touch the network.
 */
import { parseWith } from '../config/config.ts';
import { type Answer, json, type StreamedAnswer } from './admin-answer.ts';
import type { AnswerStreams } from './answer-streams.ts';
import { ControlError, type DaemonControl } from './daemon-control.ts';
import type { InspectionControl } from './inspection.ts';
import { INSPECTION_ROUTES } from './inspection-routes.ts';
import { formatMetrics, METRICS_CONTENT_TYPE } from './metrics-text.ts';
import {
  createRequestSchema,
  emptyRequestSchema,
  inviteRequestSchema,
  joinRequestSchema,
  peerRequestSchema,
  setRequestSchema,
  swarmKeySchema,
  vlanRequestSchema,
} from './request-schema.ts';

/** What a route may use. */
export interface RouteContext {
  readonly daemon: DaemonControl;
  readonly inspection: InspectionControl;
  /** Answers that run. */
  readonly streams: Pick<AnswerStreams, 'stop'>;
}

/** Answers one request; `input` is the parsed JSON of a POST, or the query of a GET as an object. */
type Handler = (
  context: RouteContext,
  input: unknown,
) => Answer | StreamedAnswer | Promise<Answer | StreamedAnswer>;
/** Handlers by method. */
export type Methods = Readonly<Record<string, Handler>>;

const VLAN_ROUTES: Readonly<Record<string, Methods>> = {
  '/v1/vlans': {
    GET: ({ daemon }) => json(200, { vlans: daemon.vlans() }),
    POST: async ({ daemon }, input) =>
      json(201, await daemon.createVlan(parseWith(createRequestSchema, input))),
  },
  '/v1/vlans/browse': { GET: async ({ daemon }) => json(200, { vlans: await daemon.browseVlans() }) },
  '/v1/vlans/join': {
    POST: async ({ daemon }, input) => json(200, await daemon.joinVlan(parseWith(joinRequestSchema, input))),
  },
  '/v1/vlans/leave': {
    POST: async ({ daemon }, input) => {
      await daemon.leaveVlan(parseWith(vlanRequestSchema, input).id);
      return json(200, {});
    },
  },
  '/v1/vlans/set': {
    POST: async ({ daemon }, input) => {
      const { id, changes } = parseWith(setRequestSchema, input);
      return json(200, await daemon.setVlan(id, changes));
    },
  },
};

const MEMBER_ROUTES: Readonly<Record<string, Methods>> = {
  '/v1/vlans/invite': {
    POST: async ({ daemon }, input) =>
      json(201, await daemon.inviteToVlan(parseWith(inviteRequestSchema, input))),
  },
  '/v1/vlans/requests': {
    GET: async ({ daemon }, input) =>
      json(200, { requests: await daemon.vlanRequests(parseWith(vlanRequestSchema, input).id) }),
  },
  '/v1/vlans/members': {
    GET: async ({ daemon }, input) =>
      json(200, { members: await daemon.vlanMembers(parseWith(vlanRequestSchema, input).id) }),
  },
  '/v1/vlans/approve': {
    POST: async ({ daemon }, input) => {
      const { id, peer } = parseWith(peerRequestSchema, input);
      await daemon.approveRequest(id, peer);
      return json(200, {});
    },
  },
  '/v1/vlans/remove': {
    POST: async ({ daemon }, input) => {
      const { id, peer } = parseWith(peerRequestSchema, input);
      await daemon.removeMember(id, peer);
      return json(200, {});
    },
  },
};

const SWARM_ROUTES: Readonly<Record<string, Methods>> = {
  '/v1/swarm': { GET: ({ daemon }) => json(200, daemon.swarm()) },
  '/v1/swarm/configure': { POST: withoutInput((daemon) => daemon.configureSwarm()) },
  '/v1/swarm/exchange': { POST: withoutInput((daemon) => daemon.exchangeSwarm()) },
  '/v1/swarm/leave': { POST: withoutInput((daemon) => daemon.leaveSwarm()) },
  '/v1/swarm/rotate': { POST: withoutInput((daemon) => daemon.rotateSwarm()) },
  '/v1/swarm/finish': { POST: withoutInput((daemon) => daemon.finishSwarmRotation()) },
  '/v1/swarm/join': {
    POST: async ({ daemon }, input) =>
      json(200, await daemon.joinSwarm(parseWith(swarmKeySchema, input).key)),
  },
};

const ROUTES: Readonly<Record<string, Methods>> = {
  '/v1/status': { GET: ({ daemon }) => json(200, daemon.status()) },
  '/v1/peers': { GET: ({ daemon }) => json(200, { peers: daemon.peers() }) },
  ...VLAN_ROUTES,
  ...MEMBER_ROUTES,
  ...SWARM_ROUTES,
  ...INSPECTION_ROUTES,
  '/metrics': {
    GET: ({ daemon }) => ({
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

function withoutInput(act: (daemon: DaemonControl) => Promise<unknown>): Handler {
  return async ({ daemon }, input) => {
    parseWith(emptyRequestSchema, input);
    return json(200, await act(daemon));
  };
}
