/**
 * Looks into a node at work: gives NodeInspection its ports over the data plane and the trunks, and has it told of what
 * concerns it.
 *
 * Main thread.
 */
import { randomBytes } from 'node:crypto';
import type { VlanReport } from '../admin/daemon-control.ts';
import type { Config } from '../config/config.ts';
import type { Dataplane } from '../dataplane-link/dataplane.ts';
import { openTapCapture } from '../dataplane-link/tap-capture.ts';
import type { VlanHost } from '../dataplane-link/vlan-host.ts';

import { monotonicMs } from '../monotonic-clock.ts';
import { RELAY_ROLE } from '../trunk/relay-choice.ts';
import type { TrunkDriver } from '../trunk/trunk-driver.ts';
import { vlanLabel } from '../vlan/vlan-id.ts';
import { type InspectedVlan, NodeInspection } from './node-inspection.ts';
import type { SubsystemLog } from './subsystem-log.ts';

/** What of a node is looked into. */
export interface InspectedNode {
  readonly trunks: Pick<TrunkDriver, 'status' | 'input'>;
  vlans(): readonly VlanReport[];
  /** Is told of what neighbours say in the trunks' channel `trace`, and has counters for the status. */
  inside: Pick<NodeInspection, 'traceHeard' | 'counters'>;
}

/** Before anybody looks into it. */
export const NOTHING_INSIDE: InspectedNode['inside'] = {
  traceHeard: () => undefined,
  counters: {},
};

/** What a node and its data plane are. */
export interface InspectionSources {
  readonly self: string;
  readonly config: Config;
  readonly node: InspectedNode;
  readonly dataplane: Pick<Dataplane, 'vlans' | 'fabric' | 'relay' | 'echoHeard'>;
  readonly log: SubsystemLog;
}

/** Makes what looks into a node, and has it told of echoes and traces. */
export function inspectNode({ self, config, node, dataplane, log }: InspectionSources): NodeInspection {
  const { vlans, fabric, relay } = dataplane;
  const peerOf = (trunk: number): string | undefined =>
    [...vlans.trunks()].find(([, slot]) => slot === trunk)?.[0];
  const inspection = new NodeInspection({
    self,
    roles: config.relay.enabled ? [RELAY_ROLE] : [],
    isTraceShown: config.relay.trace,
    log,
    nowMs: monotonicMs,
    randomBytes: (count) => new Uint8Array(randomBytes(count)),
    openCapture: openTapCapture,
    vlan: (id) => {
      const host = vlans.find(id);
      return host && inspectedVlan(host, peerOf);
    },
    vlanNames: () => vlanNames(node.vlans()),
    trunks: () => node.trunks.status(),
    segments: () => fabric.segments(),
    announcers: (segment) => fabric.machine.routes.announcers(new Uint8Array(Buffer.from(segment, 'hex'))),
    relayStatus: () => relay.report(fabric),
    traceWay: (segmentId, token, from) => fabric.wayOf(segmentId, token, from),
    sendTrace: (peer, body) => node.trunks.input({ kind: 'send-body', peer, channel: 'trace', body }),
  });
  dataplane.echoHeard = (vlan, peer, body) => inspection.echoHeard(vlan, peer, body);
  node.inside = inspection;
  return inspection;
}

function inspectedVlan(host: VlanHost, peerOf: (trunk: number) => string | undefined): InspectedVlan {
  const { inside, interfaceName, interfaceMac } = host;
  return {
    interfaceName,
    interfaceMac,
    members: () => host.members,
    holderOf: (mac) => inside.holderOf(mac),
    segments: () => inside.segments(),
    wayTo: (mac) => {
      const way = inside.wayTo(mac);
      return way && { segmentId: way.epoch.segment.id, token: way.token, first: peerOf(way.trunk) };
    },
    sendEcho: (mac, body) => inside.sendEcho(mac, body),
  };
}

/** What each VLAN is called here, by its id. */
function vlanNames(vlans: readonly VlanReport[]): ReadonlyMap<string, string> {
  return new Map(
    vlans.map(({ id, name, interface: device }) => [id, name ?? vlanLabel(id, device ?? undefined)]),
  );
}
