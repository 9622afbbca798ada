/**
 * Owns who takes part in the section `tunnel`, and the notes on who does not and why.
 *
 * Runs on the main thread of the bench. It may build the addon of `null`; it brings nothing up.
 */

import { findPeers } from '../peers/all-peers.ts';
import { type Peer, PeerSite } from '../peers/peer.ts';
import type { SectionSettings } from '../section.ts';
import { makeNullAddon } from './null-addon.ts';
import { makePeertapSubject, type PeertapVariant } from './peertap-subject.ts';
import { makeBareSubject, makeVxlanSubject, SUBJECT_NAMES, type Subject } from './subject.ts';

/** A subject that is not up yet. */
export interface SubjectCandidate {
  readonly name: string;
  readonly make: (wire: 'gso' | 'mtu') => Subject | Promise<Subject>;
}

const LIMITS: readonly SubjectCandidate[] = [
  { name: SUBJECT_NAMES.bare, make: makeBareSubject },
  { name: SUBJECT_NAMES.vxlan, make: makeVxlanSubject },
];

/** Everybody who takes part in a run with these settings. */
export async function findCandidates(run: {
  readonly settings: SectionSettings;
  readonly progress: (text: string) => void;
  readonly notes: string[];
}): Promise<readonly SubjectCandidate[]> {
  const { settings, notes } = run;
  if (settings.limitsOnly) return LIMITS;
  const variants: PeertapVariant[] = [];
  if (settings.engines.includes('native')) variants.push({ name: 'native' }, ...(await nullVariants(run)));
  if (settings.engines.includes('typescript')) variants.push({ name: 'typescript' });
  const own = variants.map((variant) => ({
    name: SUBJECT_NAMES[variant.name],
    make: (wire: 'gso' | 'mtu') => makePeertapSubject(wire, variant),
  }));
  return [...LIMITS, ...own, ...(settings.peers ? peerCandidates(notes) : [])];
}

async function nullVariants({
  settings,
  progress,
  notes,
}: {
  readonly settings: SectionSettings;
  readonly progress: (text: string) => void;
  readonly notes: string[];
}): Promise<PeertapVariant[]> {
  const addon = await makeNullAddon({ mayBuild: !settings.smoke, progress });
  if (addon.ok) return [{ name: 'null', addonFile: addon.file }];
  notes.push(`There is no ${SUBJECT_NAMES.null}: ${addon.reason}.`);
  return [];
}

function peerCandidates(notes: string[]): SubjectCandidate[] {
  const { installed, missing } = findPeers();
  if (missing.length > 0)
    notes.push(`Not installed, hence not in the table: ${missing.join(', ')} (bench/peers/README.md).`);
  if (installed.length > 0)
    notes.push(
      `Peers: ${installed.map(({ name, layer, cipher }) => `${name}: layer ${layer}, ${cipher}`).join('; ')}.`,
    );
  return installed.map((peer) => ({ name: nameOf(peer), make: (wire) => makePeerSubject(wire, peer) }));
}

function nameOf({ name, layer }: Peer): string {
  return `${name} (L${layer})`;
}

async function makePeerSubject(wire: 'gso' | 'mtu', peer: Peer): Promise<Subject> {
  const site = new PeerSite(wire, peer.programs[0] ?? 'peer');
  try {
    await peer.start(site);
    await site.waitForPing();
  } catch (error) {
    await site.remove();
    throw error;
  }
  return {
    name: nameOf(peer),
    kind: 'peer',
    layer: peer.layer,
    client: site.a.machine.namespace,
    server: site.b.machine.namespace,
    serverAddress: site.b.innerAddress,
    processIds: () => site.processIds,
    remove: () => site.remove(),
  };
}
