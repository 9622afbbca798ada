/** A VLAN as discovery sees it: under which keys its members say where they are, and who they may be. Main thread; pure. */
import type { DiscoveryVlan } from '../discovery/discovery-port.ts';
import { presenceKeyOf } from '../discovery/presence.ts';
import { deriveOpenEpoch, utcDay } from '../vlan/open-epoch.ts';
import type { VlanEntry } from '../vlan/vlan-registry.ts';
import type { PrivateVlan } from './private-vlan.ts';

/** A node that waits to be admitted has no key yet: it meets the others, and hears nothing of them. */
export function discoveryVlan(
  entry: VlanEntry,
  inner: PrivateVlan | undefined,
  unixMs: number,
): DiscoveryVlan {
  const id = entry.idBytes;
  if (entry.kind === 'open') {
    const { segment } = deriveOpenEpoch(id, utcDay(unixMs));
    return { id, presenceKeys: [presenceKeyOf(id)], members: undefined, segments: [segment.id] };
  }
  const epochs = inner?.recentEpochs ?? [];
  return {
    id,
    presenceKeys: epochs.map(({ controlKey }) => presenceKeyOf(controlKey)),
    members: new Set(inner?.state?.members.map(({ peer }) => peer)),
    segments: epochs.slice(0, 1).map(({ segment }) => segment.id),
  };
}
