/**
 * The routes that look inside a node.
 *
 *   GET /v1/topology  /v1/relay  /v1/debug     POST /v1/debug         {levels: {subsystem: level}}
 *                                              POST /v1/ping          {vlan, target, count?, intervalMs?, sizeBytes?, …}
 *                                              POST /v1/trace         {vlan, target, timeoutMs?}
 *                                              POST /v1/capture       {vlan, count?, seconds?, snapBytes?, name?}
 *                                              POST /v1/capture/stop  {name}
 *
 * Ping and trace answer in lines of JSON: `{"reply"}` or `{"hop"}` each, and `{"done"}` or `{"error"}` at the end; a
 * capture answers with a pcapng file.
 *
 * Main thread. Must never touch the network.
 */
import { parseWith } from '../config/config.ts';
import {
  type AnswerOutlet,
  json,
  jsonLine,
  NDJSON_CONTENT_TYPE,
  type StreamedAnswer,
} from './admin-answer.ts';
import type { Methods } from './admin-routes.ts';
import {
  captureRequestSchema,
  captureStopSchema,
  debugRequestSchema,
  pingRequestSchema,
  traceRequestSchema,
} from './inspection-schema.ts';

const PCAPNG_CONTENT_TYPE = 'application/x-pcapng';

/** See the file's head. */
export const INSPECTION_ROUTES: Readonly<Record<string, Methods>> = {
  '/v1/topology': { GET: ({ inspection }) => json(200, inspection.topology()) },
  '/v1/relay': { GET: ({ inspection }) => json(200, inspection.relayStatus()) },
  '/v1/debug': {
    GET: ({ inspection }) => json(200, inspection.debugLevels()),
    POST: ({ inspection }, input) => {
      const { levels } = parseWith(debugRequestSchema, input);
      return json(200, inspection.setDebug(levels));
    },
  },
  '/v1/ping': {
    POST: ({ inspection }, input) => {
      const request = parseWith(pingRequestSchema, input);
      return lines(async (say, signal) => inspection.ping(request, (reply) => say({ reply }), signal));
    },
  },
  '/v1/trace': {
    POST: ({ inspection }, input) => {
      const request = parseWith(traceRequestSchema, input);
      return lines(async (say, signal) => inspection.trace(request, (hop) => say({ hop }), signal));
    },
  },
  '/v1/capture': {
    POST: ({ inspection }, input) => {
      const { name, ...request } = parseWith(captureRequestSchema, input);
      const run = async (outlet: AnswerOutlet): Promise<void> => {
        await inspection.capture(request, outlet, outlet.signal);
      };
      return { contentType: PCAPNG_CONTENT_TYPE, name, run };
    },
  },
  '/v1/capture/stop': {
    POST: ({ streams }, input) => {
      streams.stop(parseWith(captureStopSchema, input).name);
      return json(200, {});
    },
  },
};

/** What is said piece by piece, and how it ended. */
function lines<Summary>(
  work: (say: (piece: object) => void, signal: AbortSignal) => Promise<Summary>,
): StreamedAnswer {
  return {
    contentType: NDJSON_CONTENT_TYPE,
    run: async (outlet) => {
      const slow = new AbortController();
      const say = (piece: object): void => {
        // Who lets thousands of lines wait has stopped reading.
        if (!outlet.write(jsonLine(piece))) slow.abort();
      };
      const done = await work(say, AbortSignal.any([outlet.signal, slow.signal]));
      outlet.write(jsonLine({ done }));
    },
  };
}
