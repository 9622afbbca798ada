/**
 * The insides of a node for whoever asks at the control socket: finds the station that is meant, and has the echo and
 * trace drivers, captures, topology and levels of the log at hand.
 *
 *   admin server ──InspectionControl──▶ NodeInspection ─▶ EchoDriver, TraceDriver ─▶ ports: VLANs, trunks, fabric
 *   data plane, trunks ──echoHeard, traceHeard──▶ ┘
 *
 * Main thread. Each refusal says what to do next.
 */
import { ControlError } from '../admin/daemon-control.ts';
import type {
  CaptureRequest,
  CaptureSink,
  CaptureSummary,
  DebugChanges,
  DebugReport,
  InspectionControl,
  PingReply,
  PingRequest,
  PingSummary,
  RelayReport,
  TopologyReport,
  TraceHop,
  TraceRequest,
  TraceSummary,
} from '../admin/inspection.ts';
import type { CaptureSource } from '../capture/capture-port.ts';
import { CaptureSession } from '../capture/capture-session.ts';
import { EchoDriver } from '../echo/echo-driver.ts';
import type { MemberStatus } from '../membership/membership-port.ts';
import { TraceDriver } from '../trace/trace-driver.ts';
import type { TracePorts } from '../trace/trace-port.ts';
import { formatMac, parseMac } from '../vlan/mac-text.ts';
import { VlanError } from '../vlan/vlan-error.ts';
import type { SubsystemLog } from './subsystem-log.ts';
import { linkOf, type OwnSegment, type TopologySources, topologyReport } from './topology.ts';

/** The way that a station's frames take from here. */
export interface StationWay {
  readonly segmentId: Uint8Array;
  /** The station's token of the present period. */
  readonly token: Uint8Array;
  /** The neighbour to whom they go; undefined: there is no way. */
  readonly first: string | undefined;
}

/** A VLAN at work, as far as it is looked into. */
export interface InspectedVlan {
  readonly interfaceName: string | undefined;
  readonly interfaceMac: Uint8Array | undefined;
  /** Live members, without this node. */
  members(): readonly Pick<MemberStatus, 'peer' | 'macs'>[];
  /** The live member that announced a station. */
  holderOf(mac: Uint8Array): string | undefined;
  /** Its live epochs in the fabric. */
  segments(): readonly Omit<OwnSegment, 'name'>[];
  /** @returns undefined when the station is nobody's, or nothing is sealed yet */
  wayTo(mac: Uint8Array): StationWay | undefined;
  /** As {@link EchoDriverPorts.sendEcho}. */
  sendEcho(mac: Uint8Array, body: Uint8Array): boolean;
}

/** What is looked into. */
export interface InspectionParts extends Omit<TopologySources, 'trunks' | 'segments' | 'own'> {
  /** A VLAN at work, by the text form of its id. */
  vlan(id: string): InspectedVlan | undefined;
  /** What each VLAN is called here, by its id. */
  vlanNames(): ReadonlyMap<string, string>;
  trunks(): TopologySources['trunks'];
  segments(): TopologySources['segments'];
  relayStatus(): RelayReport;
  /** As {@link TracePorts.wayOf}. */
  traceWay: TracePorts['wayOf'];
  /** `relay.trace` of the config. */
  readonly isTraceShown: boolean;
  /** Says something to a neighbour in the trunk's channel `trace`. */
  sendTrace(peer: string, bytes: Uint8Array): void;
  /** @throws SystemError */
  openCapture(interfaceName: string, snapBytes: number): CaptureSource;
  readonly log: SubsystemLog;
  randomBytes(count: number): Uint8Array;
  /** CLOCK_MONOTONIC in milliseconds, with fractions. */
  nowMs(): number;
}

/** The station that a request means. */
interface Station {
  readonly vlan: InspectedVlan;
  readonly peer: string;
  readonly mac: Uint8Array;
}

/** See the file's head. */
export class NodeInspection implements InspectionControl {
  readonly #parts: InspectionParts;
  readonly #echo: EchoDriver;
  readonly #trace: TraceDriver;

  constructor(parts: InspectionParts) {
    this.#parts = parts;
    const ports = {
      nowMs: () => parts.nowMs(),
      randomBytes: (count: number) => parts.randomBytes(count),
    };
    this.#echo = new EchoDriver({
      ...ports,
      claimantOf: (vlan, mac) => parts.vlan(vlan)?.holderOf(mac),
      sendEcho: (vlan, mac, body) => parts.vlan(vlan)?.sendEcho(mac, body) ?? false,
    });
    this.#trace = new TraceDriver({
      ...ports,
      self: parts.self,
      wayOf: (segmentId, token, from) => parts.traceWay(segmentId, token, from),
      linkTo: (peer) => {
        const trunk = parts.trunks().find((row) => row.peer === peer);
        return trunk === undefined ? undefined : linkOf(trunk);
      },
      isShown: () => parts.isTraceShown,
      sendTrace: (peer, bytes) => {
        parts.sendTrace(peer, bytes);
      },
    });
  }

  /** Totals since the start, for the status. */
  get counters(): Readonly<Record<string, number>> {
    return { ...this.#echo.counters, ...this.#trace.counters };
  }

  /** An echo of a VLAN was opened. @param peer - under whose leaf it was sealed */
  echoHeard(vlan: string, peer: string, body: Uint8Array): void {
    this.#debug('echo-heard', peer);
    this.#echo.heard(vlan, peer, body);
  }

  /** A neighbour said something in the trunk's channel `trace`. */
  traceHeard(peer: string, bytes: Uint8Array): void {
    this.#debug('trace-heard', peer);
    this.#trace.heard(peer, bytes);
  }

  /** Ends what runs. */
  stop(): void {
    this.#echo.stop();
    this.#trace.stop();
  }

  relayStatus(): RelayReport {
    return this.#parts.relayStatus();
  }

  topology(): TopologyReport {
    const { self, roles } = this.#parts;
    return topologyReport({
      self,
      roles,
      trunks: this.#parts.trunks(),
      segments: this.#parts.segments(),
      own: [...this.#parts.vlanNames()].flatMap(([id, name]) =>
        (this.#parts.vlan(id)?.segments() ?? []).map((segment) => ({ ...segment, name })),
      ),
      announcers: (segment) => this.#parts.announcers(segment),
    });
  }

  async ping(
    { vlan, target, ...request }: PingRequest,
    onReply: (reply: PingReply) => void,
    signal: AbortSignal,
  ): Promise<PingSummary> {
    const station = this.#station(vlan, target);
    const replyTo = station.vlan.interfaceMac;
    if (replyTo === undefined) throw noInterface('answers');
    return this.#echo.ping({ vlan, mac: station.mac, peer: station.peer, replyTo }, request, onReply, signal);
  }

  async trace(
    { vlan, target, timeoutMs }: TraceRequest,
    onHop: (hop: TraceHop) => void,
    signal: AbortSignal,
  ): Promise<TraceSummary> {
    const station = this.#station(vlan, target);
    const way = station.vlan.wayTo(station.mac);
    const { peer } = station;
    const mac = formatMac(station.mac);
    if (way === undefined) {
      onHop({ hop: 0, peer: this.#parts.self, elapsedMs: null, next: null });
      return { peer, mac, outcome: 'no-route', pathMtuBytes: null };
    }
    return this.#trace.trace({ peer, mac, ...way }, timeoutMs, onHop, signal);
  }

  async capture(
    { vlan, ...request }: CaptureRequest,
    sink: CaptureSink,
    signal: AbortSignal,
  ): Promise<CaptureSummary> {
    const { interfaceName } = this.#required(vlan);
    if (interfaceName === undefined) throw noInterface('frames');
    const source = this.#parts.openCapture(interfaceName, request.snapBytes);
    try {
      const clock = { nowMs: () => this.#parts.nowMs(), unixMs: () => Date.now(), sleep };
      return await new CaptureSession(source, sink, clock).run(interfaceName, request, signal);
    } finally {
      source.close();
    }
  }

  debugLevels(): DebugReport {
    return this.#parts.log.report();
  }

  setDebug(changes: DebugChanges): DebugReport {
    return this.#parts.log.set(changes);
  }

  #required(id: string): InspectedVlan {
    const vlan = this.#parts.vlan(id);
    if (vlan !== undefined) return vlan;
    const message = 'This node takes no part in this VLAN; `peertap vlan list` shows where it does.';
    throw new VlanError('not-a-member', message);
  }

  /** @param target - a whole PeerId or MAC address */
  #station(id: string, target: string): Station {
    const vlan = this.#required(id);
    const mac = parseMac(target);
    const peer = mac === undefined ? target : vlan.holderOf(mac);
    const member = vlan.members().find((row) => row.peer === peer);
    if (member === undefined) {
      const message = `${target} is no live member of this VLAN, nor a station behind one; \`peertap vlan members ID --long\` shows them.`;
      throw new ControlError('no-member', message);
    }
    const found = mac ?? member.macs[0];
    if (found === undefined) {
      const message = `${target} has no interface in this VLAN, and so no station that could answer.`;
      throw new ControlError('no-interface', message);
    }
    return { vlan, peer: member.peer, mac: found };
  }

  #debug(code: string, peer: string): void {
    this.#parts.log.log('debug', 'inspection', code, 'heard', { peer });
  }
}

function noInterface(what: string): ControlError {
  const message = `This node has no interface in this VLAN, where ${what} could come; \`peertap vlan join ID --interface NAME\` makes one.`;
  return new ControlError('no-interface', message);
}

function sleep(durationMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, durationMs);
    if (signal.aborted) done();
    else signal.addEventListener('abort', done);
  });
}
