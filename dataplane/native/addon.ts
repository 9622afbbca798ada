/**
 * Finds rust-accel's addon and says whether it can be used: built for this platform, and for this very layout. Any
 * thread; several workers load it at once. Never builds anything, never throws for a missing addon.
 *
 *   0. the file that PEERTAP_ACCELERATOR names, and then nothing else
 *   1. rust-accel/peertap-accel.<platform>-<arch>-gnu.node, built from this checkout (npm run build:native)
 *   2. the optional package `@peertap/accel-<platform>-<arch>-gnu` of a published installation
 */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { reasonOf } from '../base/error-reason.ts';
import type { Engine } from '../contract/engine.ts';
import { layoutDigest } from '../shm/render-layout.ts';

/** An engine's stages, each specified at the Engine method of its name. */
export interface NativeStages extends Omit<Engine, 'name' | 'close'> {
  /** For {@link NativeAddon.closeEngine}. */
  readonly handle: number;
}

/** What the addon exports. An engine belongs to the thread that opened it. */
export interface NativeAddon {
  layoutDigest(): number;
  version(): string;
  hasCryptography(): boolean;
  deriveTokens(
    tokenKey: Uint8Array,
    segmentId: Uint8Array,
    period: number,
    kind: number,
    values: Uint8Array,
    valueBytes: number,
    out: Uint8Array,
  ): void;
  openEngine(tables: Uint8Array, arena: Uint8Array): NativeStages;
  closeEngine(engine: number): void;
}

/** The addon, or a sentence that says why it cannot be used. */
export type LoadedAddon =
  | { readonly ok: true; readonly addon: NativeAddon }
  | { readonly ok: false; readonly reason: string };

/** The bench alone may use a build without cryptography, and only by naming it here. */
const CHOSEN_BY_ENVIRONMENT = 'PEERTAP_ACCELERATOR';

const require = createRequire(import.meta.url);
let loaded: LoadedAddon | undefined;

/** Looks for the addon, once a thread; the answer does not change while the process runs. */
export function loadAddon(): LoadedAddon {
  loaded ??= checkAddon(candidates(), layoutDigest());
  return loaded;
}

/** Where the addon may lie, best first: files, then a package's name. */
function candidates(): readonly string[] {
  if (process.platform !== 'linux') return [];
  const chosen = process.env[CHOSEN_BY_ENVIRONMENT];
  if (chosen !== undefined && chosen !== '') return [chosen];
  const triple = `linux-${process.arch}-gnu`;
  // From dataplane/native in a checkout, from dist/dataplane/native in a published build.
  const built = ['../../rust-accel/', '../../../rust-accel/'].map((folder) =>
    fileURLToPath(new URL(`${folder}peertap-accel.${triple}.node`, import.meta.url)),
  );
  return [...built.filter((file) => existsSync(file)), `@peertap/accel-${triple}`];
}

/**
 * Loads the first candidate that exists and compares its layout.
 *
 * @param places - files or package names
 * @param digest - of this build's layout
 */
export function checkAddon(places: readonly string[], digest: number): LoadedAddon {
  for (const place of places) {
    const addon = requireAddon(place);
    if (addon === undefined) continue;
    if (typeof addon === 'string') return { ok: false, reason: addon };
    const built = addon.layoutDigest();
    if (built !== digest) {
      const layouts = `layout ${hex(built)} and this is layout ${hex(digest)}`;
      return { ok: false, reason: `${place} was built for ${layouts}: run npm run build:native` };
    }
    if (!addon.hasCryptography() && process.env[CHOSEN_BY_ENVIRONMENT] !== place) {
      return { ok: false, reason: `${place} was built without cryptography: run npm run build:native` };
    }
    return { ok: true, addon };
  }
  return {
    ok: false,
    reason: `no accelerator for ${process.platform}-${process.arch} is built: run npm run build:native (needs Rust)`,
  };
}

/** The addon; a sentence when it is there but does not load; undefined when it is not there. */
function requireAddon(place: string): NativeAddon | string | undefined {
  try {
    const found: unknown = require(place);
    return isAddon(found) ? found : `${place} is not PeerTap's accelerator`;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'MODULE_NOT_FOUND') return undefined;
    return `${place} does not load: ${reasonOf(error)}`;
  }
}

function isAddon(value: unknown): value is NativeAddon {
  return (
    typeof value === 'object' &&
    value !== null &&
    'layoutDigest' in value &&
    typeof value.layoutDigest === 'function' &&
    'openEngine' in value &&
    typeof value.openEngine === 'function'
  );
}

function hex(digest: number): string {
  return digest.toString(16).padStart(8, '0');
}
