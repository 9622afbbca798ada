/**
 * What workers tell the main thread, handed to the one whom it concerns.
 *
 *   probes, stream datagrams ─▶ TrunkLink
 *   members' control, sources and groups on TAPs, what hosts say of groups, unknown senders ─▶ the VLAN
 *
 * Main thread only.
 */
import { controlClass, controlFlags, controlKind } from '../../dataplane/wire/link-datagram.ts';
import type { EventSink } from './event-pump.ts';
import { macFromWords } from './station-table.ts';
import type { TrunkLink } from './trunk-link.ts';
import type { VlanSet } from './vlan-set.ts';

const LEAF_MASK = 0xff_ffff;

/** The sink over VLANs and trunks. */
export function createEventSink(vlans: VlanSet, trunkLink: TrunkLink): EventSink {
  return {
    link: (lane, payload) => {
      trunkLink.probeReceived(lane, payload);
    },
    control: (epoch, _trunk, control, { bytes, offset, length }) => {
      const found = vlans.findByEpoch(epoch);
      found?.host.input({
        kind: 'control',
        epoch: found.epoch,
        control: { kind: controlKind(control), flags: controlFlags(control), class: controlClass(control) },
        payload: bytes.slice(offset, offset + length),
      });
    },
    stationSeen: (vlan, macLow, macHigh) => {
      vlans.findBySlot(vlan)?.input({ kind: 'station-seen', mac: macFromWords(macLow, macHigh) });
    },
    senderUnknown: (epoch, leafLane) => {
      const found = vlans.findByEpoch(epoch);
      found?.host.input({ kind: 'sender-unknown', epoch: found.epoch, leaf: leafLane & LEAF_MASK });
    },
    snooped: (vlan, { bytes, offset, length }) => {
      vlans.findBySlot(vlan)?.snooped(bytes.subarray(offset, offset + length));
    },
    groupSeen: (vlan, macLow, macHigh) => {
      vlans.findBySlot(vlan)?.groupSeen(macFromWords(macLow, macHigh));
    },
    carrier: (_lane, trunk, payload) => {
      trunkLink.carrierDatagram(trunk, payload);
    },
  };
}
