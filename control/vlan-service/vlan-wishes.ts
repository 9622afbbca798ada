/** From what a person or the disk says of a VLAN to what registry and data plane are asked for. Main thread; pure. */
import { ControlError, type JoinRequest } from '../admin/daemon-control.ts';
import type { VlanRequest } from '../dataplane-link/dataplane-options.ts';
import { DEFAULT_TREE_RANK } from '../fabric/tree-rank.ts';
import { type InvitedBy, parseInvite } from '../vlan/invite.ts';
import { DEFAULT_SETTINGS } from '../vlan/record-settings.ts';
import type { WantedVlan } from '../vlan/vlan-entries.ts';
import type { VlanEntry } from '../vlan/vlan-registry.ts';
import type { PrivateVlan } from './private-vlan.ts';

/** An admin has said no: nothing goes on until a person asks again. */
export function isShut(entry: VlanEntry): boolean {
  return entry.membership?.state === 'expelled' || entry.membership?.state === 'refused';
}

/** The same, as a member without an interface. */
export function withoutInterface(entry: VlanEntry): VlanEntry {
  const { attachment, ...bare } = entry;
  return attachment === undefined ? entry : bare;
}

/** Whether its group has to be begun (again). */
export function isIdle(entry: VlanEntry, inner: PrivateVlan | undefined): boolean {
  return inner === undefined || (entry.membership?.state === 'waiting' && inner.state === undefined);
}

/** What the data plane is asked for. */
export function requestOf(entry: VlanEntry): VlanRequest {
  const record = entry.record?.record;
  return {
    idBytes: entry.idBytes,
    kind: entry.kind,
    ...(entry.attachment === undefined ? {} : { attachment: entry.attachment }),
    ...(record === undefined
      ? {}
      : {
          policy: {
            cipher: record.cipher,
            tokenPeriodSeconds: record.tokenPeriodSeconds,
            movingHosts: record.movingHosts,
            membersMax: record.membersMax,
          },
        }),
  };
}

/** What of a record holds for a VLAN's whole stay in the data plane; one without a record has the defaults. */
export function policyText(entry: VlanEntry): string {
  const { cipher, tokenPeriodSeconds, movingHosts } = entry.record?.record ?? DEFAULT_SETTINGS;
  return JSON.stringify([cipher, tokenPeriodSeconds, movingHosts]);
}

/** What the registry is asked for. @throws ControlError `invalid-invite` */
export function wantedBy(request: JoinRequest, unixMs: number): WantedVlan {
  const { interface: name, addresses, mtuBytes, invite } = request;
  const { multicast = 'snoop', paths = 'failover', treeRank = DEFAULT_TREE_RANK } = request;
  const attachment = { interface: name, addresses, mtuBytes, multicast, paths, treeRank };
  if (invite === undefined) {
    return { id: request.id ?? '', ...attachment };
  }
  const parsed = parseInvite(invite, unixMs);
  if (!parsed.ok) throw new ControlError('invalid-invite', parsed.reason);
  return { id: parsed.invite.id, ...attachment, invite };
}

/** Admins in an invite, and where they are. */
export function invitedBy(invite: string | undefined): readonly InvitedBy[] {
  const parsed = invite === undefined ? undefined : parseInvite(invite);
  return parsed?.ok === true ? parsed.invite.admins : [];
}
