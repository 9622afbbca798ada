/**
 * The insides of a daemon for tests of the admin API and of commands: it answers from lists, and refuses as the real one.
 *
 * What runs for long goes on until its list is at its end, or, when `endless`, until it is told to stop.
 */
import {
  type CaptureRequest,
  type CaptureSink,
  type CaptureSummary,
  type DebugChanges,
  type DebugReport,
  type InspectionControl,
  type LogLevel,
  type PingReply,
  type PingRequest,
  type PingSummary,
  type RelayReport,
  SUBSYSTEMS,
  type Subsystem,
  type TopologyReport,
  type TraceHop,
  type TraceRequest,
  type TraceSummary,
} from './inspection.ts';

const NO_TRAFFIC = { datagrams: 0, bytes: 0, datagramsPerSecond: 0, bytesPerSecond: 0 };

/** See the file's head. */
export class ListInspection implements InspectionControl {
  relay: RelayReport = {
    enabled: false,
    segments: [],
    peers: [],
    total: { ...NO_TRAFFIC, refusedDatagrams: 0 },
    refusals: { disabled: 0 },
  };
  topologyReport: TopologyReport = { peer: '12D3KooWSelf', roles: [], trunks: [], segments: [] };
  replies: PingReply[] = [];
  pingDone: Partial<PingSummary> = {};
  hops: TraceHop[] = [];
  traceDone: Partial<TraceSummary> = {};
  pieces: Uint8Array[] = [];
  captured: CaptureSummary = { frames: 0, dropped: 0 };
  endless = false;
  /** What the next long-running request fails with, after its pieces. */
  failure: Error | undefined;
  readonly own = new Map<Subsystem, LogLevel>();
  /** What was asked for, in order. */
  readonly asked: unknown[] = [];
  /** How often something that ran was ended from outside. */
  stopped = 0;

  relayStatus(): RelayReport {
    return this.relay;
  }

  topology(): TopologyReport {
    return this.topologyReport;
  }

  async ping(
    request: PingRequest,
    onReply: (reply: PingReply) => void,
    signal: AbortSignal,
  ): Promise<PingSummary> {
    this.asked.push(request);
    for (const reply of this.replies) onReply(reply);
    await this.#end(signal);
    const received = this.replies.filter(({ rttMs }) => rttMs !== null).length;
    return {
      peer: request.target,
      mac: '02:00:00:00:00:01',
      sent: this.replies.length,
      received,
      minMs: received === 0 ? null : 1,
      avgMs: received === 0 ? null : 2,
      maxMs: received === 0 ? null : 3,
      pathMtuBytes: null,
      ...this.pingDone,
    };
  }

  async trace(
    request: TraceRequest,
    onHop: (hop: TraceHop) => void,
    signal: AbortSignal,
  ): Promise<TraceSummary> {
    this.asked.push(request);
    for (const hop of this.hops) onHop(hop);
    await this.#end(signal);
    const done = { peer: request.target, mac: '02:00:00:00:00:01', outcome: 'reached' as const };
    return { ...done, pathMtuBytes: null, ...this.traceDone };
  }

  async capture(request: CaptureRequest, sink: CaptureSink, signal: AbortSignal): Promise<CaptureSummary> {
    this.asked.push(request);
    const last = this.pieces.at(-1);
    for (const piece of this.pieces.slice(0, -1)) {
      if (!sink.write(piece)) await sink.drained();
    }
    await this.#end(signal);
    if (last !== undefined) sink.write(last);
    return this.captured;
  }

  debugLevels(): DebugReport {
    const levels = SUBSYSTEMS.map((subsystem) => {
      const level = this.own.get(subsystem);
      return { subsystem, level: level ?? ('info' as const), own: level !== undefined };
    });
    return { default: 'info', levels };
  }

  setDebug(changes: DebugChanges): DebugReport {
    for (const [name, level] of Object.entries(changes) as [Subsystem, LogLevel | 'default'][]) {
      if (level === 'default') this.own.delete(name);
      else this.own.set(name, level);
    }
    return this.debugLevels();
  }

  async #end(signal: AbortSignal): Promise<void> {
    const { failure } = this;
    if (failure !== undefined) throw failure;
    if (!this.endless) return;
    if (!signal.aborted) {
      await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
    }
    this.stopped++;
  }
}
