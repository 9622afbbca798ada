/**
 * Owns PeerTap as a subject of the bench: two daemons that know each other, one open VLAN, a TAP on each.
 *
 *   a ──ptap0 10.7.0.1 ┈┈(daemon ─ eth0 ══════ eth0 ─ daemon)┈┈ 10.7.0.2 ptap0── b
 *
 * `null` is the native engine from an addon without cryptography: what is left is the bound of this design. Runs on the
 * main thread of the bench.
 */

import type { Wire } from '../../test/lab/namespace.ts';
import { Segment } from '../../test/lab/segment.ts';
import type { BenchEngine } from '../section.ts';
import { SUBJECT_NAMES, type Subject } from './subject.ts';

/** A pair of daemons to bring up. */
export type PeertapVariant =
  | { readonly name: BenchEngine }
  /** @see makeNullAddon */
  | { readonly name: 'null'; readonly addonFile: string };

/** Has a daemon load this addon and no other. */
const ADDON_ENVIRONMENT = 'PEERTAP_ACCELERATOR';

/** Brings up a pair of daemons and waits until a ping passes. */
export async function makePeertapSubject(wire: Wire, variant: PeertapVariant): Promise<Subject> {
  const segment = new Segment({
    engine: variant.name === 'typescript' ? 'typescript' : 'native',
    wire,
    label: variant.name,
    daemon: variant.name === 'null' ? { environment: { [ADDON_ENVIRONMENT]: variant.addonFile } } : {},
  });
  try {
    await segment.start();
  } catch (error) {
    await segment.remove();
    throw error;
  }
  return {
    name: SUBJECT_NAMES[variant.name],
    kind: 'peertap',
    layer: 2,
    client: segment.a.machine.namespace,
    server: segment.b.machine.namespace,
    serverAddress: segment.addressOfB,
    processIds: () => [segment.a.processId, segment.b.processId],
    startToFirstPing: async () => {
      await segment.stop();
      return segment.start();
    },
    remove: () => segment.remove(),
  };
}
