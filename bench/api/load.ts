/**
 * Owns the load on an admin API: autocannon against every route that operators poll, each on its own.
 *
 *   one autocannon a route ──keep-alive connections, HTTP──▶ the daemon's control socket
 *
 * autocannon runs in this process, where its connections cost no start; it waits in the event loop of the bench, which
 * does nothing else meanwhile. Runs on the main thread of the bench.
 */

import autocannon from 'autocannon';

/** What Prometheus, dashboards and `peertap status`, `peers` and `vlan list` ask for. */
export const POLLED_ROUTES = ['/metrics', '/v1/status', '/v1/peers', '/v1/vlans'] as const;

/** A route under load. */
export type PolledRoute = (typeof POLLED_ROUTES)[number];

/** What one route answered during one window. */
export interface RouteReading {
  readonly route: PolledRoute;
  /** From the request to the whole answer, each request by itself. */
  readonly latenciesMs: readonly number[];
  /** Requests without an answer, and answers that are not 2xx. */
  readonly failureCount: number;
}

/** How to load the API. */
export interface LoadOptions {
  readonly socketPath: string;
  /** Over all routes; undefined: each connection asks again as soon as it is answered. */
  readonly requestsPerSecond: number | undefined;
  readonly seconds: number;
}

/** A scraper keeps its connection; so one each for as many of them as there are routes. */
const CONNECTIONS_PER_ROUTE = 1;
/** autocannon looks this often whether its time is over. */
const SAMPLE_MS = 20;
const REQUEST_TIMEOUT_SECONDS = 5;

/** Asks all routes at once until the time is over. */
export function loadApi(options: LoadOptions): Promise<RouteReading[]> {
  return Promise.all(POLLED_ROUTES.map((route) => loadRoute(route, options)));
}

async function loadRoute(
  route: PolledRoute,
  { socketPath, requestsPerSecond, seconds }: LoadOptions,
): Promise<RouteReading> {
  const latenciesMs: number[] = [];
  const rate =
    requestsPerSecond === undefined ? {} : { overallRate: requestsPerSecond / POLLED_ROUTES.length };
  const result = await new Promise<autocannon.Result>((resolve, reject) => {
    const instance = autocannon(
      {
        url: `http://peertap${route}`,
        socketPath,
        connections: CONNECTIONS_PER_ROUTE,
        duration: seconds,
        sampleInt: SAMPLE_MS,
        timeout: REQUEST_TIMEOUT_SECONDS,
        ...rate,
      },
      (error: unknown, found: autocannon.Result) => {
        if (error instanceof Error) reject(error);
        else resolve(found);
      },
    );
    instance.on('response', (_client, _statusCode, _bytes, responseMs) => {
      latenciesMs.push(responseMs);
    });
  });
  return { route, latenciesMs, failureCount: result.errors + result.timeouts + result.non2xx };
}
