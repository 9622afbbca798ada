/** `peertap topology`: this node's trunks, and the tree of each segment that it carries, as far as it sees them. */
import type { TopologyPort, TopologyReport, TopologySegment, TopologyTrunk } from '../admin/inspection.ts';
import { InspectionClient } from '../admin/inspection-client.ts';
import type { QueryOptions } from './arguments.ts';
import { UsageError } from './command-error.ts';
import type { CommandIo } from './command-io.ts';
import { printable } from './table.ts';
import { topologyDot } from './topology-dot.ts';

/** What was given on the command line. */
export interface TopologyOptions extends QueryOptions {
  readonly dot?: boolean;
}

/** Prints the topology. */
export async function runTopology(options: TopologyOptions, io: CommandIo): Promise<void> {
  if (options.json === true && options.dot === true) {
    throw new UsageError('--json and --dot cannot both be printed; give one of them');
  }
  const report = await new InspectionClient(options.socket).topology();
  if (options.json === true) io.out(JSON.stringify(report, undefined, 2));
  else for (const line of options.dot === true ? topologyDot(report) : drawTopology(report)) io.out(line);
}

function drawTopology(report: TopologyReport): string[] {
  const { peer, roles, trunks, segments } = report;
  return [
    ...branch(`${peer}${inBrackets(['this node', ...roles])}`, trunks.map(trunkLine), 'no trunks'),
    ...segments.flatMap((segment) => ['', ...drawSegment(segment)]),
    ...(segments.length === 0
      ? ['', 'no segments: this node is in no VLAN, and carries none for others']
      : []),
  ];
}

function drawSegment(segment: TopologySegment): string[] {
  const { name, own, epoch, root, distance, ports } = segment;
  const facts = [
    ...(own ? [] : ['carried for others']),
    ...(epoch === null ? [] : [`epoch ${epoch}`]),
    root === null ? 'no root yet' : root === 'self' ? 'this node is the root' : `root ${printable(root)}`,
    ...(distance === null || root === 'self' ? [] : [`distance ${distance}`]),
  ];
  return branch(
    `${printable(name)}: ${facts.join(', ')}`,
    ports.map((port) => portLine(port, own)),
    'no trunk leads anywhere in it',
  );
}

function branch(head: string, leaves: readonly string[], none: string): string[] {
  if (leaves.length === 0) return [head, `└─ ${none}`];
  const last = leaves.length - 1;
  return [head, ...leaves.map((leaf, index) => `${index === last ? '└─' : '├─'} ${leaf}`)];
}

function trunkLine(trunk: TopologyTrunk): string {
  const { peer, state, carrier, address, rttMs, lossRatio, datagramMtuBytes, cost, roles } = trunk;
  const facts = [
    state,
    ...(carrier === null ? [] : [address === null ? carrier : `${carrier} ${address}`]),
    ...(rttMs === null ? [] : [`${rttMs.toFixed(2)} ms`]),
    ...(lossRatio === null || lossRatio === 0 ? [] : [`${(lossRatio * 100).toFixed(1)} % lost`]),
    ...(datagramMtuBytes === null ? [] : [`${datagramMtuBytes} B`]),
    ...(cost === null ? [] : [`cost ${cost}`]),
  ];
  return `${peer}  ${facts.join(', ')}${inBrackets(roles)}`;
}

function portLine(port: TopologyPort, own: boolean): string {
  const { peer, role, forwarding, cost, membersBehind, peersBehind } = port;
  const count = `${membersBehind} ${membersBehind === 1 ? 'member' : 'members'} behind it`;
  const others = (peersBehind ?? []).filter((each) => each !== peer);
  const facts = [
    role === 'none' ? 'no role yet' : role,
    forwarding ? 'forwarding' : 'blocked',
    ...(cost === null ? [] : [`cost ${cost}`]),
    count,
  ];
  const who = own && others.length > 0 ? `: ${others.join(' ')}` : '';
  return `${peer}  ${facts.join(', ')}${who}`;
}

function inBrackets(words: readonly string[]): string {
  return words.length === 0 ? '' : ` [${words.map(printable).join(', ')}]`;
}
