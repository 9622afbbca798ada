/**
 * The daemon's status as Prometheus text.
 *
 * Pure: one status in, one text out, so metrics and `peertap status` never disagree. Must never put a VLAN id
 * into a label: whoever knows an open VLAN's id is a member.
 *
 * @see Prometheus exposition formats, "Text-based format", version 0.0.4
 */
import type { DaemonStatus, TrunkReport } from './daemon-control.ts';

/** The Content-Type of the text. */
export const METRICS_CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

type Labels = Readonly<Record<string, string>>;
type Sample = readonly [labels: Labels, value: number];

const NEEDS_ESCAPE = /[\\"\n]/;
const counterPrefixes = new Map<string, string>();

/**
 * Writes all metrics.
 *
 * @param status - as `peertap status --json` shows it
 * @returns text that ends with a line feed
 */
export function formatMetrics(status: DaemonStatus): string {
  const info = { version: status.version, engine: status.engine };
  const families = [
    family('peertap_info', 'gauge', 'Version and engine of this daemon.', [[info, 1]]),
    family('peertap_uptime_seconds', 'gauge', 'Time since the daemon started.', [[{}, status.uptimeSeconds]]),
    family('peertap_resident_bytes', 'gauge', 'Resident memory.', [[{}, status.residentBytes]]),
    family(
      'peertap_event_loop_delay_seconds',
      'gauge',
      'How late the event loop was in the last 10 to 20 s; quantile 1 is the longest.',
      [
        [{ quantile: '0.99' }, status.eventLoopDelay.p99Ms / 1000],
        [{ quantile: '1' }, status.eventLoopDelay.maxMs / 1000],
      ],
    ),
    family('peertap_workers', 'gauge', 'Data workers.', [[{}, status.workers]]),
    ...vlanFamilies(status),
    ...trunkFamilies(status.trunks),
    ...Object.entries(status.counters).map(([name, value]) => counterPrefix(name) + `${value}\n`),
    family(
      'peertap_drops_total',
      'counter',
      'Frames and datagrams that went no further, by drop code.',
      Object.entries(status.drops).map(([code, value]): Sample => [{ code }, value]),
    ),
  ];
  return families.join('');
}

/** VLANs are named by interface, see the file's head. */
function vlanFamilies({ vlans }: DaemonStatus): string[] {
  const attached = vlans.flatMap((vlan) =>
    vlan.interface === null ? [] : [{ ...vlan, interface: vlan.interface }],
  );
  return [
    family('peertap_vlans', 'gauge', 'VLANs that this node is in.', [[{}, vlans.length]]),
    family(
      'peertap_vlan_members',
      'gauge',
      'Live members of a VLAN, without this node.',
      attached.map((vlan): Sample => [{ interface: vlan.interface }, vlan.members]),
    ),
    family(
      'peertap_vlan_stations',
      'gauge',
      'MAC addresses known on a VLAN.',
      attached.map((vlan): Sample => [{ interface: vlan.interface }, vlan.stations]),
    ),
    family(
      'peertap_vlan_groups',
      'gauge',
      'Multicast groups that the hosts on an interface want, and send to.',
      attached.flatMap(({ interface: name, multicast }): Sample[] => [
        [{ interface: name, hosts: 'want' }, multicast.wanted],
        [{ interface: name, hosts: 'send' }, multicast.sentTo],
      ]),
    ),
    family(
      'peertap_vlan_group_messages_total',
      'counter',
      'IGMP, MLD and PIM messages of hosts, by what became of them.',
      attached.flatMap((vlan) =>
        Object.entries(vlan.multicast.messages).map(
          ([outcome, value]): Sample => [{ interface: vlan.interface, outcome }, value],
        ),
      ),
    ),
    family(
      'peertap_vlan_epoch',
      'gauge',
      "Number of a private VLAN's epoch.",
      attached.flatMap((vlan): Sample[] =>
        vlan.epoch === null ? [] : [[{ interface: vlan.interface }, vlan.epoch]],
      ),
    ),
    family(
      'peertap_vlan_requests',
      'gauge',
      'Peers that wait for an approval; 0 where this node is no admin.',
      attached.map((vlan): Sample => [{ interface: vlan.interface }, vlan.requests]),
    ),
    family(
      'peertap_vlan_membership_total',
      'counter',
      "What a private VLAN's membership has counted, by event.",
      attached.flatMap((vlan) =>
        Object.entries(vlan.membership).map(
          ([event, value]): Sample => [{ interface: vlan.interface, event }, value],
        ),
      ),
    ),
  ];
}

function trunkFamilies(trunks: readonly TrunkReport[]): string[] {
  const perTrunk = (
    name: string,
    type: string,
    help: string,
    valueOf: (trunk: TrunkReport) => number | null,
  ) =>
    family(
      name,
      type,
      help,
      trunks.flatMap((trunk): Sample[] => {
        const value = valueOf(trunk);
        return value === null ? [] : [[{ peer: trunk.peer }, value]];
      }),
    );
  return [
    perTrunk('peertap_trunk_up', 'gauge', '1 when frames can go to the peer.', (t) =>
      Number(t.state === 'up'),
    ),
    perTrunk('peertap_trunk_rtt_seconds', 'gauge', 'Round trip of the last probes.', (t) =>
      t.rttMs === null ? null : t.rttMs / 1000,
    ),
    perTrunk('peertap_trunk_loss_ratio', 'gauge', 'Lost probes, 0 to 1.', (t) => t.lossRatio),
    perTrunk('peertap_trunk_datagram_mtu_bytes', 'gauge', 'Largest datagram.', (t) => t.datagramMtuBytes),
    perTrunk('peertap_trunk_sent_bytes_total', 'counter', 'Bytes sent to the peer.', (t) => t.bytesSent),
    perTrunk('peertap_trunk_received_bytes_total', 'counter', 'Bytes from the peer.', (t) => t.bytesReceived),
  ];
}

function family(name: string, type: string, help: string, samples: readonly Sample[]): string {
  const lines = samples.map(([labels, value]) => `${name}${formatLabels(labels)} ${value}\n`);
  return `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${lines.join('')}`;
}

/** What stands before a counter's value. Their names are the program's own, and few: each is written once. */
function counterPrefix(counter: string): string {
  const known = counterPrefixes.get(counter);
  if (known !== undefined) return known;
  const name = `peertap_${snakeCase(counter)}_total`;
  const prefix = `${family(name, 'counter', `Counter ${counter} over all workers.`, [])}${name} `;
  counterPrefixes.set(counter, prefix);
  return prefix;
}

function formatLabels(labels: Labels): string {
  const parts = Object.entries(labels).map(([key, value]) => `${key}="${escapeLabel(value)}"`);
  return parts.length === 0 ? '' : `{${parts.join(',')}}`;
}

function escapeLabel(value: string): string {
  if (!NEEDS_ESCAPE.test(value)) return value;
  return value.replace(/\\/g, '\\\\').replace(/"/g, '\\"').replace(/\n/g, '\\n');
}

function snakeCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`).replace(/[^a-z0-9_]/g, '_');
}
