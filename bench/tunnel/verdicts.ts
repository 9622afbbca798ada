/**
 * Owns what the tunnel is expected to reach, as ratios within one run wherever the machine would decide otherwise.
 *
 * Pure. Runs on the main thread of the bench. A missed target is shown, never an error: no test fails by a time.
 */

import { median, medianRatio } from '../arithmetic.ts';
import type { Verdict } from '../section.ts';
import { FIGURES, type FigureKey } from './figures.ts';
import { SUBJECT_NAMES } from './subject.ts';

/** One expectation, and what would be better still. */
export interface Target {
  readonly subject: string;
  readonly figure: FigureKey;
  /** The wire that it is for; either unless given. */
  readonly wire?: 'gso' | 'mtu';
  /** The figure is taken as a multiple of this subject's, or of the best of the layer-2 peers. */
  readonly relativeTo?: string;
  readonly sense: 'at least' | 'at most';
  readonly wanted: number;
  readonly stretch?: number;
}

/** What was measured on one wire. */
export interface WireTable {
  readonly wire: 'gso' | 'mtu';
  /** One a repeat; empty when there are none. */
  readonly samples: (subject: string, figure: FigureKey) => readonly number[];
  /** Names of the layer-2 peers that took part. */
  readonly layer2Peers: readonly string[];
}

/** Stands for the layer-2 peer that is best in a repeat. */
export const BEST_LAYER_2_PEER = 'the best layer-2 peer';

const { bare, vxlan, native, typescript, wireguard } = SUBJECT_NAMES;
const noCrypto = SUBJECT_NAMES.null;
const nativeTcp = { subject: native, figure: 'tcpOne', sense: 'at least' } as const;
const typescriptTcp = { subject: typescript, figure: 'tcpOne', wire: 'gso', sense: 'at least' } as const;

/** What is expected. */
export const TARGETS: readonly Target[] = [
  { ...nativeTcp, wire: 'gso', relativeTo: vxlan, wanted: 0.42, stretch: 0.55 },
  { ...nativeTcp, wire: 'gso', relativeTo: noCrypto, wanted: 0.85 },
  { ...nativeTcp, relativeTo: wireguard, wanted: 2 },
  { ...nativeTcp, wire: 'mtu', relativeTo: vxlan, wanted: 0.9, stretch: 1.1 },
  { subject: native, figure: 'cpuPerGigabyte', sense: 'at most', wanted: 1.5 },
  { subject: native, figure: 'udpSmall', relativeTo: vxlan, sense: 'at least', wanted: 0.8, stretch: 1 },
  { ...typescriptTcp, relativeTo: vxlan, wanted: 0.08, stretch: 0.12 },
  { ...typescriptTcp, relativeTo: BEST_LAYER_2_PEER, wanted: 1 },
  { subject: native, figure: 'pingIdle', relativeTo: bare, sense: 'at most', wanted: 6, stretch: 4 },
  { subject: native, figure: 'pingLoadedP99', sense: 'at most', wanted: 2, stretch: 1 },
];

/** Compares what was measured on a wire with the targets; those whose figures are missing are left out. */
export function judge(targets: readonly Target[], table: WireTable): Verdict[] {
  return targets.flatMap((target) => {
    if (target.wire !== undefined && target.wire !== table.wire) return [];
    const measured = measuredValue(target, table);
    if (measured === undefined) return [];
    const verdicts = [verdictOf(target, table.wire, { measured, wanted: target.wanted, stretch: false })];
    if (target.stretch !== undefined)
      verdicts.push(verdictOf(target, table.wire, { measured, wanted: target.stretch, stretch: true }));
    return verdicts;
  });
}

function verdictOf(
  { subject, figure, relativeTo, sense }: Target,
  wire: WireTable['wire'],
  { measured, wanted, stretch }: { measured: number; wanted: number; stretch: boolean },
): Verdict {
  const { title, unit } = FIGURES[figure];
  return {
    title: `${subject}, ${title}, wire ${wire}`,
    measured,
    sense,
    wanted,
    unit: relativeTo === undefined ? unit : `× ${relativeTo}`,
    met: sense === 'at least' ? measured >= wanted : measured <= wanted,
    stretch,
  };
}

function measuredValue(target: Target, table: WireTable): number | undefined {
  const values = table.samples(target.subject, target.figure);
  if (values.length === 0) return undefined;
  if (target.relativeTo === undefined) return median(values);
  return medianRatio(values, references(target, table));
}

/** The reference in each repeat. */
function references({ relativeTo, figure }: Target, table: WireTable): readonly number[] {
  if (relativeTo === undefined) return [];
  if (relativeTo !== BEST_LAYER_2_PEER) return table.samples(relativeTo, figure);
  const ofPeers = table.layer2Peers.map((peer) => table.samples(peer, figure));
  const repeatCount = Math.min(...ofPeers.map((samples) => samples.length));
  if (!Number.isFinite(repeatCount)) return [];
  return Array.from({ length: repeatCount }, (_, repeat) =>
    Math.max(...ofPeers.map((samples) => samples[repeat] ?? 0)),
  );
}
