/**
 * Owns the command line of the bench.
 *
 * Pure: text in, options or a sentence out. Runs on the main thread of the bench.
 */

import { parseArgs } from 'node:util';

/** Data-plane engines that can be measured. */
export type BenchEngine = 'native' | 'typescript';

/** What the bench was asked for. */
export interface BenchOptions {
  readonly sections: readonly 'tunnel'[];
  /** Length of one measurement. */
  readonly seconds: number;
  readonly repeatCount: number;
  /** Empty: each engine that can run on this machine. */
  readonly engines: readonly BenchEngine[];
  readonly wire: 'gso' | 'mtu';
  /** Sent through each daemon before its memory is read; 0 leaves that figure out. */
  readonly memoryGigabytes: number;
  /** Measure the limits only: no daemon is started. */
  readonly limitsOnly: boolean;
}

/** A command line that cannot be followed; the message is for the user. */
export class BenchUsageError extends Error {
  override readonly name = 'BenchUsageError';
}

export const BENCH_USAGE = `usage: npm run bench -- [SECTION…] [options]

sections
  tunnel                  through two daemons in namespaces, beside the bare link and kernel VXLAN

options
  --seconds N             length of one measurement (5)
  --repeat N              repeats; the median counts (3)
  --engine NAME           native or typescript (both, where both run)
  --wire NAME             gso: the veth as it is; mtu: cut to the MTU as on a card's wire (gso)
  --memory-gigabytes N    sent before memory is read; 0 leaves it out (10)
  --limits-only           the bare link and VXLAN alone
`;

/** @throws {@link BenchUsageError} */
export function parseBenchOptions(argv: readonly string[]): BenchOptions {
  const { values, positionals } = readArguments(argv);
  const unknown = positionals.find((section) => section !== 'tunnel');
  if (unknown !== undefined) throw new BenchUsageError(`unknown section "${unknown}"; there is: tunnel`);
  return {
    sections: ['tunnel'],
    seconds: numberBetween('--seconds', values.seconds, { least: 1, most: 600 }),
    repeatCount: numberBetween('--repeat', values.repeat, { least: 1, most: 100 }),
    engines: values.engine === undefined ? [] : [oneOf('--engine', values.engine, ['native', 'typescript'])],
    wire: oneOf('--wire', values.wire, ['gso', 'mtu']),
    memoryGigabytes: numberBetween('--memory-gigabytes', values['memory-gigabytes'], {
      least: 0,
      most: 1000,
    }),
    limitsOnly: values['limits-only'],
  };
}

function readArguments(argv: readonly string[]) {
  try {
    return parseArgs({
      args: [...argv],
      allowPositionals: true,
      options: {
        seconds: { type: 'string', default: '5' },
        repeat: { type: 'string', default: '3' },
        engine: { type: 'string' },
        wire: { type: 'string', default: 'gso' },
        'memory-gigabytes': { type: 'string', default: '10' },
        'limits-only': { type: 'boolean', default: false },
      },
    });
  } catch (error) {
    throw new BenchUsageError(error instanceof Error ? error.message : String(error));
  }
}

function numberBetween(option: string, text: string, range: { least: number; most: number }): number {
  const value = Number(text);
  if (text.trim() === '' || !Number.isInteger(value) || value < range.least || value > range.most) {
    throw new BenchUsageError(
      `${option}: expected a whole number ${range.least}..${range.most}, got "${text}"`,
    );
  }
  return value;
}

function oneOf<const T extends string>(option: string, text: string, known: readonly T[]): T {
  const found = known.find((name) => name === text);
  if (found === undefined)
    throw new BenchUsageError(`${option}: expected ${known.join(' or ')}, got "${text}"`);
  return found;
}
