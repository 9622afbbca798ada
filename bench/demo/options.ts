/**
 * Owns the command line of the demonstration. Pure; runs on its main thread.
 */

import { parseArgs } from 'node:util';
import { reasonOf } from '../../dataplane/base/error-reason.ts';

/** What the demonstration was asked for. */
export interface DemoOptions {
  readonly action: 'run' | 'remove' | 'help';
  /** Leave the network up and say how to use it. */
  readonly keep: boolean;
  readonly engine: 'auto' | 'native' | 'typescript';
}

/** A command line that cannot be followed; the message is for the user. */
export class DemoUsageError extends Error {
  override readonly name = 'DemoUsageError';
}

export const DEMO_USAGE = `usage: npm start -- [options]

Two namespaces on this machine, a PeerTap daemon in each, one VLAN between them: a probe and a bulk transfer
through it, beside the bare link. Needs root.

options
  --keep            leave it up, and print commands to try by hand
  --remove          take down what --keep left up
  --engine NAME     auto, native or typescript (auto)
`;

const ENGINES = ['auto', 'native', 'typescript'] as const;

/** @throws {@link DemoUsageError} */
export function parseDemoOptions(argv: readonly string[]): DemoOptions {
  const values = readArguments(argv);
  const engine = ENGINES.find((name) => name === values.engine);
  if (engine === undefined)
    throw new DemoUsageError(`--engine: expected ${ENGINES.join(', ')}, got "${values.engine}"`);
  if (values.keep && values.remove) throw new DemoUsageError('--keep and --remove exclude each other');
  const action = values.help ? 'help' : values.remove ? 'remove' : 'run';
  return { action, keep: values.keep, engine };
}

function readArguments(argv: readonly string[]) {
  try {
    return parseArgs({
      args: [...argv],
      options: {
        keep: { type: 'boolean', default: false },
        remove: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
        engine: { type: 'string', default: 'auto' },
      },
    }).values;
  } catch (error) {
    throw new DemoUsageError(reasonOf(error));
  }
}
