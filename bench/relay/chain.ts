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
import type { GeneratorQuestion } from './generator-process.ts';
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
    const { subject, flowCount, warmUpSeconds, seconds } = run;
    const asked = { subject, flowCount, warmUpSeconds, seconds, peer: ADDRESS.sink };
    await this.#relay.ask({ ...asked, kind: 'prepare' });
    await this.#sink.ask({ checkDatagrams: 0, flowCount, seconds: 0 });
    const wholeSeconds = warmUpSeconds + seconds + SLACK_SECONDS;
    const checkDatagrams = subject === 'loop' ? 0 : CHECKED_DATAGRAMS;
    const { datagramBytes, trainDatagrams } = run;
    const [reading, { opened, refused }] = await Promise.all([
      this.#relay.ask({ ...asked, kind: 'measure' }),
      this.#sink.ask({ checkDatagrams, flowCount, seconds: wholeSeconds }),
      this.#generator.ask({
        peer: ADDRESS.relayIn,
        flowCount,
        datagramBytes,
        trainDatagrams,
        seconds: wholeSeconds,
      }),
    ]);
    if (reading === undefined) throw new Error('the relay measured nothing');
    if (refused > 0 || (checkDatagrams > 0 && opened === 0)) {
      throw new Error(`of what the relay sent, the sink opened ${opened} and refused ${refused}`);
    }
    return reading;
  }

  async close(): Promise<void> {
    await Promise.all([this.#generator.close(), this.#relay.close(), this.#sink.close()]);
    for (const namespace of this.#namespaces) namespace.remove();
  }
}
