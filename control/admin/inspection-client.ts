/**
 * The command's side of what looks inside a node: one typed method a route.
 *
 * Runs in the `peertap` command.
 */
import { askDaemon, jsonLines, streamFromDaemon } from './admin-exchange.ts';
import type {
  CaptureRequest,
  DebugChanges,
  DebugReport,
  PingReply,
  PingRequest,
  PingSummary,
  RelayReport,
  TopologyReport,
  TraceHop,
  TraceRequest,
  TraceSummary,
} from './inspection.ts';

/** One line of a ping's answer; the last is `done`. */
export type PingLine = { readonly reply: PingReply } | { readonly done: PingSummary };
/** One line of a trace's answer; the last is `done`. */
export type TraceLine = { readonly hop: TraceHop } | { readonly done: TraceSummary };

/** Talks to the daemon behind one control socket. */
export class InspectionClient {
  readonly #socketPath: string;

  constructor(socketPath: string) {
    this.#socketPath = socketPath;
  }

  relay(): Promise<RelayReport> {
    return askDaemon(this.#socketPath, { method: 'GET', path: '/v1/relay' }) as Promise<RelayReport>;
  }

  topology(): Promise<TopologyReport> {
    return askDaemon(this.#socketPath, { method: 'GET', path: '/v1/topology' }) as Promise<TopologyReport>;
  }

  debugLevels(): Promise<DebugReport> {
    return askDaemon(this.#socketPath, { method: 'GET', path: '/v1/debug' }) as Promise<DebugReport>;
  }

  setDebug(levels: DebugChanges): Promise<DebugReport> {
    const wanted = { method: 'POST', path: '/v1/debug', body: { levels } };
    return askDaemon(this.#socketPath, wanted) as Promise<DebugReport>;
  }

  /** Ends without `done` when the signal ends it. */
  ping(request: PingRequest, signal: AbortSignal): AsyncIterable<PingLine> {
    return this.#lines('/v1/ping', request, signal) as AsyncIterable<PingLine>;
  }

  /** Ends without `done` when the signal ends it. */
  trace(request: TraceRequest, signal: AbortSignal): AsyncIterable<TraceLine> {
    return this.#lines('/v1/trace', request, signal) as AsyncIterable<TraceLine>;
  }

  /**
   * The bytes of a pcapng file.
   *
   * @param name - for {@link InspectionClient.stopCapture}, after which the file is brought to its end
   */
  capture(request: CaptureRequest, name: string, signal: AbortSignal): AsyncIterable<Buffer> {
    const wanted = { method: 'POST', path: '/v1/capture', body: { ...request, name } };
    return streamFromDaemon(this.#socketPath, wanted, signal);
  }

  async stopCapture(name: string): Promise<void> {
    await askDaemon(this.#socketPath, { method: 'POST', path: '/v1/capture/stop', body: { name } });
  }

  #lines(path: string, body: object, signal: AbortSignal): AsyncIterable<unknown> {
    const wanted = { method: 'POST', path, body };
    return jsonLines(this.#socketPath, streamFromDaemon(this.#socketPath, wanted, signal));
  }
}
