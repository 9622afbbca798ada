/**
 * Owns the figures of the section `tunnel`: their names, units and groups, and the samples of a run by wire.
 *
 * Pure. Runs on the main thread of the bench.
 */

import { type FigureDescription, type FigureGroup, type FigureResult, Recorder } from '../section.ts';

/** Short names of figures within the section. */
export type FigureKey =
  | 'tcpOne'
  | 'tcpFour'
  | 'tcpBothWays'
  | 'udpSmall'
  | 'udpLarge'
  | 'cpuPerGigabyte'
  | 'pingIdle'
  | 'requestIdleP50'
  | 'requestIdleP99'
  | 'pingLoadedP99'
  | 'requestLoadedP50'
  | 'requestLoadedP99'
  | 'start'
  | 'idleCpu'
  | 'residentEnd'
  | 'residentBefore'
  | 'residentHalf'
  | 'residentAfter'
  | 'largestPacket';

/** A value of one figure. */
export type Readings = Partial<Record<FigureKey, number>>;

type GroupName = 'throughput' | 'latency' | 'daemons';

interface TunnelFigure extends FigureDescription {
  readonly group: GroupName;
}

const higher = { better: 'higher' } as const;
const lower = { better: 'lower' } as const;
const stated = { better: 'none' } as const;
const gbit = { group: 'throughput', unit: 'Gbit/s', digits: 2, ...higher } as const;
const kpps = { group: 'throughput', unit: 'kpps', digits: 1, ...higher } as const;
const idle = { group: 'latency', unit: 'µs', digits: 0, ...lower } as const;
const loaded = { group: 'latency', unit: 'ms', digits: 2, ...lower } as const;
const memory = { group: 'daemons', unit: 'MiB', digits: 0, ...lower } as const;

/** Every figure, in the order of the tables. */
export const FIGURES: Readonly<Record<FigureKey, TunnelFigure>> = {
  tcpOne: { title: 'TCP, 1 stream', ...gbit },
  tcpFour: { title: 'TCP, 4 streams', ...gbit },
  tcpBothWays: { title: 'TCP, 1 stream each way at once, sum', ...gbit },
  udpSmall: { title: 'UDP 64 B at ≤ 1 % loss', ...kpps },
  udpLarge: { title: 'UDP 1,200 B at ≤ 1 % loss', ...kpps },
  pingIdle: { title: 'ping, idle, average', ...idle },
  requestIdleP50: { title: 'request/response 64 B, idle, p50', ...idle },
  requestIdleP99: { title: 'request/response 64 B, idle, p99', ...idle },
  pingLoadedP99: { title: 'ping under 1 TCP stream, p99', ...loaded },
  requestLoadedP50: { title: 'request/response under 1 TCP stream, p50', ...loaded },
  requestLoadedP99: { title: 'request/response under 1 TCP stream, p99', ...loaded },
  cpuPerGigabyte: { title: 'CPU per GB, both daemons', group: 'daemons', unit: 's/GB', digits: 2, ...lower },
  idleCpu: {
    title: 'CPU without traffic, both daemons',
    group: 'daemons',
    unit: '% of a core',
    digits: 1,
    ...lower,
  },
  start: { title: 'start to first ping', group: 'daemons', unit: 'ms', digits: 0, ...lower },
  residentEnd: { title: 'resident memory, larger daemon', ...memory },
  residentBefore: { title: 'resident memory before the bulk', ...memory },
  residentHalf: { title: 'resident memory after half of it', ...memory },
  residentAfter: { title: 'resident memory after all of it', ...memory },
  largestPacket: { title: 'largest packet on the wire', group: 'daemons', unit: 'B', digits: 0, ...stated },
};

const GROUP_TITLES: Readonly<Record<GroupName, string>> = {
  throughput: 'throughput',
  latency: 'latency',
  daemons: 'cost of the daemons',
};

const GROUP_NAMES: readonly GroupName[] = ['throughput', 'latency', 'daemons'];

/** The readings on one wire. */
export class WireReadings {
  readonly #recorders: Readonly<Record<GroupName, Recorder>>;
  readonly #subjects: readonly string[];

  /** @param subjects - names, in the order of the tables' columns */
  constructor(wire: 'gso' | 'mtu', subjects: readonly string[]) {
    this.#subjects = subjects;
    const recorder = (name: GroupName): Recorder => new Recorder(`wire ${wire}: ${GROUP_TITLES[name]}`);
    this.#recorders = {
      throughput: recorder('throughput'),
      latency: recorder('latency'),
      daemons: recorder('daemons'),
    };
  }

  add(subject: string, readings: Readings): void {
    for (const [key, value] of entriesOf(readings)) {
      const { group, ...figure } = FIGURES[key];
      this.#recorders[group].add({ subject, figure }, value);
    }
  }

  /** One a repeat; empty when there are none. */
  samples(subject: string, key: FigureKey): readonly number[] {
    const { group, ...figure } = FIGURES[key];
    return this.#recorders[group].samples({ subject, figure });
  }

  /** Groups that hold anything: figures in the order of {@link FIGURES}, each of them by subject. */
  groups(): FigureGroup[] {
    const titles = Object.values(FIGURES).map(({ title }) => title);
    const rank = ({ title, subject }: FigureResult): number =>
      titles.indexOf(title) * this.#subjects.length + this.#subjects.indexOf(subject);
    return GROUP_NAMES.map((name) => this.#recorders[name].group())
      .filter(({ figures }) => figures.length > 0)
      .map((group) => ({
        ...group,
        figures: group.figures.toSorted((left, right) => rank(left) - rank(right)),
      }));
  }
}

/** Readings as text for the progress line. */
export function describeReadings(readings: Readings): string {
  return entriesOf(readings)
    .map(([key, value]) => `${value.toFixed(FIGURES[key].digits)} ${FIGURES[key].unit}`)
    .join(', ');
}

function entriesOf(readings: Readings): [FigureKey, number][] {
  return Object.entries(readings) as [FigureKey, number][];
}
