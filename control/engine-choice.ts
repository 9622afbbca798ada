/**
 * Which engine the data plane runs on. Main thread, at start.
 */
import { nativeAvailability } from './dataplane-link/machine-checks.ts';

/** The choice, and why it is not the native one where `auto` would have preferred that, or what is wrong with it. */
export interface EngineChoice {
  readonly name: 'native' | 'typescript';
  readonly reason: string | null;
}

/** Shown wherever the engine is. */
const WITHOUT_CRYPTOGRAPHY =
  'PEERTAP_ACCELERATOR names a build without cryptography: nothing is encrypted or authenticated; for measuring only';

/** The config insists on an engine that this machine does not have. */
export class EngineError extends Error {
  override readonly name = 'EngineError';
  readonly code = 'engine-unavailable';
}

/**
 * Chooses the engine.
 *
 * @param wanted - `dataplane.engine` of the config
 * @throws EngineError when `native` is asked for and cannot be had
 */
export function chooseEngine(wanted: 'auto' | 'native' | 'typescript'): EngineChoice {
  if (wanted === 'typescript') return { name: 'typescript', reason: null };
  const native = nativeAvailability();
  if (native.ok) return { name: 'native', reason: native.hasCryptography ? null : WITHOUT_CRYPTOGRAPHY };
  if (wanted === 'native') {
    throw new EngineError(
      `dataplane.engine is "native", and the accelerator cannot be used: ${native.reason}. ` +
        'Build it with npm run build:native, or set dataplane.engine to "auto".',
    );
  }
  return { name: 'typescript', reason: native.reason };
}
