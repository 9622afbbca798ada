/**
 * The doctor's findings about the data plane: offloads tried on loopback sockets, the accelerator, and slices of the
 * processor, tried on the command's own thread.
 *
 * Main thread of the command; loads koffi and, if it is there, the addon.
 */
import type { Config } from '../config/config.ts';
import {
  nativeAvailability,
  type OffloadSelfTest,
  requestSlice,
  selfTestOffloads,
  WORKER_SLICE_US,
} from '../dataplane-link/machine-checks.ts';
import { type Finding, fail, ok, warn } from './doctor-checks.ts';

/** Tries all. */
export function checkDataplane(config: Config): Finding[] {
  return [
    checkEngine(config),
    checkOffloads(selfTestOffloads()),
    checkSlices(requestSlice(WORKER_SLICE_US), WORKER_SLICE_US),
  ];
}

/** Workers do without; it costs waiting time on a busy machine. */
export function checkSlices(areGranted: boolean, sliceUs: number): Finding {
  if (areGranted) return ok('scheduler', `workers may ask for slices of ${sliceUs} µs`);
  return warn(
    'scheduler',
    'no short slices for workers',
    'on a busy machine frames wait longer for the processor; Linux 6.12 and later have them',
  );
}

function checkEngine({ dataplane }: Config): Finding {
  if (dataplane.engine === 'typescript') return ok('engine', 'typescript, as the config says');
  const native = nativeAvailability();
  if (native.ok) return ok('engine', `native, accelerator ${native.version}`);
  const advice = 'install a Rust toolchain (https://rustup.rs) and `npm run build:native`';
  if (dataplane.engine === 'native') {
    return fail(
      'engine',
      `the config wants native: ${native.reason}`,
      `${advice}, or set dataplane.engine to auto`,
    );
  }
  return warn('engine', `typescript: ${native.reason}`, `for several times the speed, ${advice}`);
}

/** Both offloads are left off by the daemon when they fail here, so this costs speed, never frames. */
export function checkOffloads({ gsoSegments, gro, reasons }: OffloadSelfTest): Finding {
  const found = `UDP GSO ${gsoSegments > 1 ? `with ${gsoSegments} segments` : 'off'}, GRO ${gro ? 'on' : 'off'}`;
  if (gsoSegments > 1 && gro) return ok('offloads', found);
  return warn(
    'offloads',
    `${found}: ${reasons.join('; ')}`,
    'it works without them, more slowly; a kernel from 5.0 on has both, sandboxes often lack them',
  );
}
