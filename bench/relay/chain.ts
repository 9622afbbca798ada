/**
 * Owns three namespaces in a row and the processes in them.
 *
 *   generator 10.98.1.1 ══ 10.98.1.2 relay 10.98.2.2 ══ 10.98.2.1 sink
 *
 * The relay has a core of its own where there are two: the generator and the sink share the other. Runs on the main
 * thread of the bench.
 */
import { availableParallelism } from 'node:os';
import { connect, Namespace } from '../../test/lab/namespace.ts';
import type { BenchEngine } from '../section.ts';
import { BenchChild } from './child.ts';
import type { FlowPlan, Passage } from './flows.ts';
import type { GeneratorQuestion } from './generator-process.ts';
import type { HostileKind } from './hostile-kinds.ts';
import type { RelayQuestion, RelayReading } from './relay-process.ts';
import type { SinkQuestion, SinkReading } from './sink-process.ts';

/** What passes the relay, and how it is passed on. */
export interface ChainRun {
  /** `loop`: receive and send only. */
  readonly subject: BenchEngine | 'loop';
  readonly flowCount: number;
  readonly datagramBytes: number;
  readonly trainDatagrams: number;
  readonly warmUpSeconds: number;
  readonly seconds: number;
  /** Plain unless given. */
  readonly passage?: Passage;
  /** Of the first flow: how many, 1 unless given, and whether they change by the train or by the datagram. */
  readonly tokens?: { readonly count: number; readonly turn: GeneratorQuestion['turn'] };
  /** What a hostile neighbour sends in the place of the last flow. */
  readonly hostile?: HostileKind;
}

const ADDRESS = {
  generator: '10.98.1.1',
  relayIn: '10.98.1.2',
  relayOut: '10.98.2.2',
  sink: '10.98.2.1',
} as const;
/** The others go on a little longer than the relay measures. */
const SLACK_SECONDS = 0.2;
const CHECKED_DATAGRAMS = 256;
const ONE_TOKEN = { count: 1, turn: 'train' } as const;
/** So that a datagram which is larger than the next trunk takes reaches the relay whole. */
const WIDE_MTU_BYTES = 9000;
/** What must not befall valid traffic within its quota: the bench would measure refusing instead of passing on. */
const UNEXPECTED_DROPS = ['duplicate', 'relay-quota'] as const;

/** The chain, up. */
export class RelayChain {
  readonly #namespaces: readonly Namespace[];
  readonly #generator: BenchChild<GeneratorQuestion, number>;
  readonly #relay: BenchChild<RelayQuestion, RelayReading | undefined>;
  readonly #sink: BenchChild<SinkQuestion, SinkReading>;

  constructor() {
    const [generator, relay, sink] = [new Namespace('gen'), new Namespace('relay'), new Namespace('sink')];
    this.#namespaces = [generator, relay, sink];
    const end = (namespace: Namespace, interfaceName: string, address: string) => {
      return { namespace, interfaceName, addresses: [`${address}/24`] };
    };
    connect(end(generator, 'eth0', ADDRESS.generator), end(relay, 'left', ADDRESS.relayIn), 'gso');
    for (const [namespace, name] of [
      [generator, 'eth0'],
      [relay, 'left'],
    ] as const)
      namespace.ip('link', 'set', name, 'mtu', String(WIDE_MTU_BYTES));
    connect(end(relay, 'right', ADDRESS.relayOut), end(sink, 'eth0', ADDRESS.sink), 'gso');
    const [relayCore, otherCore] = availableParallelism() > 1 ? [1, 0] : [undefined, undefined];
    const entry = (name: string): URL => new URL(`./${name}-process.ts`, import.meta.url);
    this.#generator = new BenchChild(generator, entry('generator'), otherCore);
    this.#relay = new BenchChild(relay, entry('relay'), relayCore);
    this.#sink = new BenchChild(sink, entry('sink'), otherCore);
  }

  /**
   * Sends through the relay and measures it.
   *
   * @throws Error when what reached the sink is not what was sent
   */
  async run(run: ChainRun): Promise<RelayReading> {
    const { subject, flowCount, datagramBytes, warmUpSeconds, seconds, passage = 'plain' } = run;
    const { count: tokenCount, turn } = run.tokens ?? ONE_TOKEN;
    const plan: FlowPlan = { flowCount, tokenCount };
    const asked = { ...plan, subject, passage, warmUpSeconds, seconds, peer: ADDRESS.sink };
    await this.#relay.ask({ ...asked, kind: 'prepare' });
    await this.#sink.ask({ ...plan, checkDatagrams: 0, seconds: 0 });
    // The generator lays its tokens before it sends: what takes time is done before the others begin.
    const hostile = run.hostile === undefined ? {} : { hostile: run.hostile };
    const shape = { datagramBytes, datagrams: run.trainDatagrams };
    const sent: Omit<GeneratorQuestion, 'seconds'> = {
      ...plan,
      ...shape,
      ...hostile,
      turn,
      peer: ADDRESS.relayIn,
    };
    await this.#generator.ask({ ...sent, seconds: 0 });
    const wholeSeconds = warmUpSeconds + seconds + SLACK_SECONDS;
    const checkDatagrams = subject === 'loop' ? 0 : CHECKED_DATAGRAMS;
    const [reading, found] = await Promise.all([
      this.#relay.ask({ ...asked, kind: 'measure' }),
      this.#sink.ask({ ...plan, checkDatagrams, seconds: wholeSeconds }),
      this.#generator.ask({ ...sent, seconds: wholeSeconds }),
    ]);
    if (reading === undefined) throw new Error('the relay measured nothing');
    assertPassed(run, reading, found);
    return reading;
  }

  async close(): Promise<void> {
    await Promise.all([this.#generator.close(), this.#relay.close(), this.#sink.close()]);
    for (const namespace of this.#namespaces) namespace.remove();
  }
}

/** A figure of something else than was asked for is worse than none. */
function assertPassed({ subject }: ChainRun, reading: RelayReading, { opened, refused }: SinkReading): void {
  const isLoop = subject === 'loop';
  if (reading.datagrams > 0 && isLoop !== (reading.forwarded === 0))
    throw new Error(`${subject} passed ${reading.forwarded} datagrams on by the rules of a relay`);
  if (refused > 0 || (!isLoop && opened === 0))
    throw new Error(`of what the relay sent, the sink opened ${opened} and refused ${refused}`);
  for (const code of UNEXPECTED_DROPS) {
    const dropped = reading.drops[code] ?? 0;
    if (dropped > 0) throw new Error(`the relay dropped ${dropped} valid datagrams: ${code}`);
  }
}
