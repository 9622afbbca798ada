/**
 * What workers tell the main thread, handed to the one whom it concerns.
 *
 *   probes, stream datagrams ─▶ TrunkLink
 *   members' control, sources and groups on TAPs, what hosts say of groups, unknown senders ─▶ the VLAN
 *
 * Main thread only.
 */
import { KIND_ECHO } from '../../dataplane/shm/layout.ts';
import { controlClass, controlFlags, controlKind } from '../../dataplane/wire/link-datagram.ts';
import { formatVlanId } from '../vlan/vlan-id.ts';
import type { EventPayload, EventSink } from './event-pump.ts';
import { macFromWords } from './station-table.ts';
import type { TrunkLink } from './trunk-link.ts';
import type { VlanSet } from './vlan-set.ts';

const LEAF_MASK = 0xff_ffff;

/** Takes what a member's echo says. @param vlan - text form of its id */
export type EchoListener = (vlan: string, peer: string, body: Uint8Array) => void;

/** The sink over VLANs and trunks; `echoes` is told of what is opened of kind 4. */
export function createEventSink(
  vlans: VlanSet,
  trunkLink: TrunkLink,
  echoes: { readonly echoHeard: EchoListener },
): EventSink {
  return {
    link: (lane, payload) => {
      trunkLink.probeReceived(lane, payload);
    },
    control: (epochSlot, _trunk, word, bytes) => {
      const found = vlans.findByEpoch(epochSlot);
      if (found === undefined) return;
      const { host, epoch } = found;
      const control = { kind: controlKind(word), flags: controlFlags(word), class: controlClass(word) };
      const payload = copyOf(bytes);
      if (control.kind !== KIND_ECHO) return host.input({ kind: 'control', epoch, control, payload });
      const echo = host.openEcho(epoch, control, payload);
      if (echo !== undefined) echoes.echoHeard(formatVlanId(host.vlanId), echo.peer, echo.body);
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

function copyOf({ bytes, offset, length }: EventPayload): Uint8Array {
  return bytes.slice(offset, offset + length);
}
