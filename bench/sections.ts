/**
 * Owns the list of the bench's sections: what each measures, and where it is loaded from.
 *
 * A section is loaded only when it is to run, so that the bench answers `--help` at once and a section that cannot be
 * loaded here does not take the others with it. Runs on the main thread of the bench.
 */

import type { Section, SectionName } from './section.ts';

/** What each section measures, for the usage text and the reports. */
export const SECTION_TITLES: Readonly<Record<SectionName, string>> = {
  micro: 'the pieces of the frame path by themselves: ciphers, tokens, tables, rings',
  path: 'the whole frame path on one thread, without a kernel',
  tunnel: "a user's traffic through two daemons, beside the bare link and kernel VXLAN",
  relay: 'a node that passes datagrams on, beside a loop that only receives and sends',
  scale: 'workers, VLANs, trunks: what more of them cost',
  control:
    'private VLANs: joins, removals and their messages by size of the group; frames beside an open VLAN',
  api: 'the admin API under load, and what it costs the traffic',
  flame: 'flame graphs of a loaded daemon',
};

/** Where each section is loaded from. */
const LOADERS: Readonly<Record<SectionName, () => Promise<Section>>> = {
  micro: async () => (await import('./micro/section.ts')).microSection,
  path: async () => (await import('./path/section.ts')).pathSection,
  tunnel: async () => (await import('./tunnel/section.ts')).tunnelSection,
  relay: async () => (await import('./relay/section.ts')).relaySection,
  scale: async () => (await import('./scale/section.ts')).scaleSection,
  control: async () => (await import('./control/section.ts')).controlSection,
  api: async () => (await import('./api/section.ts')).apiSection,
  flame: async () => (await import('./flame/section.ts')).flameSection,
};

/** Loads a section. */
export function loadSection(name: SectionName): Promise<Section> {
  return LOADERS[name]();
}
