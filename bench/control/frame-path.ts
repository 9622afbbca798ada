/**
 * Owns TCP through a private VLAN (MLS epoch, pairwise keys) beside TCP through an open one: two daemons, one trunk,
 * both VLANs on it, in turns.
 *
 *   a ──ptap0 10.81.0.1 (open), ptap1 10.81.1.1 (private) ┈┈(daemon ─ eth0 ══════ eth0 ─ daemon)┈┈ .2 ptap0, ptap1── b
 *
 * Runs on the main thread of the bench; every wait is bounded.
 */
import { AdminClient } from '../../control/admin/admin-client.ts';
import { LabDaemon } from '../../test/lab/daemon.ts';
import { waitFor } from '../../test/lab/deadline.ts';
import { IperfServer, runTcp, type TcpOptions } from '../../test/lab/iperf.ts';
import { ping } from '../../test/lab/ping.ts';
import { makePair, type Pair } from '../../test/lab/topology.ts';
import { cpuSecondsOf } from '../../test/lab/usage.ts';
import {
  type BenchEngine,
  type FigureGroup,
  Recorder,
  type SectionSettings,
  type Verdict,
} from '../section.ts';
import {
  FRAME_FIGURES,
  FRAME_KINDS,
  type FrameKind,
  frameSubject,
  judgeFrames,
  orderOfRound,
} from './frame-figures.ts';

const MTU_BYTES = 1500;
const UP_TIMEOUT_MS = 30_000;
const INVITE_SECONDS = 3_600;
/** A tunnel varies by some percent from second to second. */
const ROUNDS_A_REPEAT = 2;
const SMOKE_BYTES = 4_000_000;

/** What the frame path shows. */
export interface FrameFindings {
  readonly groups: readonly FigureGroup[];
  readonly verdicts: readonly Verdict[];
  readonly notes: readonly string[];
}

/** Measures both VLANs with each engine. */
export async function measureFramePath(
  settings: SectionSettings,
  progress: (text: string) => void,
): Promise<FrameFindings> {
  const recorder = new Recorder('Frame path: a private VLAN beside an open one, on one trunk');
  // The short form has no time for a second pair of daemons.
  const engines = settings.short || settings.smoke ? settings.engines.slice(0, 1) : settings.engines;
  for (const engine of engines) await measureEngine(engine, recorder, settings, progress);
  return { groups: [recorder.group()], verdicts: judgeFrames(recorder, engines), notes: NOTES };
}

async function measureEngine(
  engine: BenchEngine,
  recorder: Recorder,
  settings: SectionSettings,
  progress: (text: string) => void,
): Promise<void> {
  const pair = new KindPair(engine, settings.wires[0] ?? 'gso');
  try {
    progress(`${engine}: two daemons, an open and a private VLAN … `);
    await pair.start();
    progress('up\n');
    const stream = settings.smoke ? { bytes: SMOKE_BYTES } : { seconds: settings.seconds };
    if (!settings.smoke) for (const kind of FRAME_KINDS) await pair.tcp(kind, stream);
    const roundCount = settings.smoke ? 1 : settings.repeatCount * ROUNDS_A_REPEAT;
    for (let round = 0; round < roundCount; round++) {
      progress(`${engine}: round ${round + 1} of ${roundCount}: `);
      for (const kind of orderOfRound(round)) {
        const { gigabits, cpuPerGigabyte } = await pair.tcp(kind, stream);
        const subject = frameSubject(engine, kind);
        recorder.add({ subject, figure: FRAME_FIGURES.throughput }, gigabits);
        recorder.add({ subject, figure: FRAME_FIGURES.cost }, cpuPerGigabyte);
        progress(`${kind} ${gigabits.toFixed(2)} `);
      }
      progress('Gbit/s\n');
    }
  } finally {
    await pair.remove();
  }
}

/** Two daemons with both kinds of VLAN. */
class KindPair {
  readonly #pair: Pair;
  readonly #a: LabDaemon;
  readonly #b: LabDaemon;

  constructor(engine: BenchEngine, wire: 'gso' | 'mtu') {
    this.#pair = makePair(wire, 'kinds');
    this.#a = new LabDaemon(this.#pair.a, { engine });
    this.#b = new LabDaemon(this.#pair.b, { engine });
    this.#a.writeConfig({ bootstrap: [this.#b.multiaddr] });
    this.#b.writeConfig({ bootstrap: [this.#a.multiaddr] });
  }

  /** Starts both, makes the VLANs, and waits until a ping passes in each. */
  async start(): Promise<void> {
    await Promise.all([this.#a.start(), this.#b.start()]);
    for (const kind of FRAME_KINDS) await this.#share(kind);
    for (const kind of FRAME_KINDS) await this.#waitForPing(kind);
  }

  /** One stream from a to b. */
  async tcp(kind: FrameKind, stream: TcpOptions): Promise<{ gigabits: number; cpuPerGigabyte: number }> {
    const server = await IperfServer.start(this.#b.machine.namespace);
    try {
      const before = this.#cpuSeconds();
      const moved = await runTcp(this.#a.machine.namespace, addressOf(kind, 2), stream);
      const cpuPerGigabyte = (this.#cpuSeconds() - before) / (moved.receivedBytes / 1e9);
      return { gigabits: moved.bitsPerSecond / 1e9, cpuPerGigabyte };
    } finally {
      await server.stop();
    }
  }

  async remove(): Promise<void> {
    await Promise.all([this.#a.stop(), this.#b.stop()]);
    this.#pair.remove();
  }

  async #share(kind: FrameKind): Promise<void> {
    const [a, b] = [this.#a, this.#b].map((daemon) => new AdminClient(daemon.config.controlSocket));
    if (a === undefined || b === undefined) return;
    const { id } = await a.createVlan({ name: kind, private: kind === 'private', subnet: null });
    await a.joinVlan({ id, ...attachment(kind, 1) });
    if (kind === 'open') {
      await b.joinVlan({ id, ...attachment(kind, 2) });
      return;
    }
    const isReady = async (): Promise<boolean> =>
      (await a.vlans()).some((vlan) => vlan.id === id && vlan.epoch !== null);
    await waitFor('the group of the private VLAN', isReady, { timeoutMs: UP_TIMEOUT_MS });
    const wanted = { id, uses: 1, expiresSeconds: INVITE_SECONDS, oneTimeSecret: true };
    const { invite } = await a.invite(wanted);
    await b.joinVlan({ invite, ...attachment(kind, 2) });
  }

  async #waitForPing(kind: FrameKind): Promise<void> {
    const look = async (): Promise<boolean> => {
      for (const daemon of [this.#a, this.#b]) daemon.assertRunning();
      const probe = { count: 1, waitSeconds: 0.5 };
      return (await ping(this.#a.machine.namespace, addressOf(kind, 2), probe)).receivedCount > 0;
    };
    const explain = (): string => `${this.#a.logTail()}\n${this.#b.logTail()}`;
    await waitFor(`a ping through the ${kind} VLAN`, look, { timeoutMs: UP_TIMEOUT_MS, explain });
  }

  #cpuSeconds(): number {
    return cpuSecondsOf(this.#a.processId) + cpuSecondsOf(this.#b.processId);
  }
}

function attachment(kind: FrameKind, host: number) {
  const index = FRAME_KINDS.indexOf(kind);
  return { interface: `ptap${index}`, addresses: [`${addressOf(kind, host)}/24`], mtuBytes: MTU_BYTES };
}

function addressOf(kind: FrameKind, host: number): string {
  return `10.81.${FRAME_KINDS.indexOf(kind)}.${host}`;
}

const NOTES: readonly string[] = [
  'Private beside open: the same two daemons and the same trunk; one stream at a time, in turns that begin with the other VLAN each round. Both kinds seal unicast under pairwise keys; a private VLAN takes them from its MLS epoch.',
];
