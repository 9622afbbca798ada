/**
 * What workers tell the main thread, handed to the one whom it concerns.
 *
 *   probes, stream datagrams ─▶ TrunkLink        members' control, sources on TAPs, unknown senders ─▶ the VLAN
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
    carrier: (_lane, trunk, payload) => {
      trunkLink.carrierDatagram(trunk, payload);
    },
    // Only where a VLAN snoops, which none does yet.
    snooped: () => {},
    groupSeen: () => {},
  };
}
