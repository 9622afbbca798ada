/**
 * A topology as a graph for Graphviz: `peertap topology --dot | dot -Tsvg`.
 *
 *   black     trunks, dashed while they are not up
 *   coloured  one colour a segment: its ports, thick where they forward; dotted to members that are behind them
 *
 * Pure.
 *
 * @see https://graphviz.org/doc/info/lang.html
 */
import type { TopologyReport, TopologySegment } from '../admin/inspection.ts';
import { printable } from './table.ts';

/** Eight that are told apart on white (Okabe and Ito), but for black. */
const COLOURS = ['#0072B2', '#D55E00', '#009E73', '#CC79A7', '#E69F00', '#56B4E9', '#8C564B'];
/** Enough of a PeerId to tell it from others: its end, as all begin alike. */
const SHOWN_CHARACTERS = 8;

type Attributes = Readonly<Record<string, string>>;

/** The graph, line by line. */
export function topologyDot(report: TopologyReport): string[] {
  return [
    'graph peertap {',
    `  ${statement('graph', { overlap: 'false', splines: 'true' })}`,
    `  ${statement('node', { shape: 'box', fontname: 'monospace' })}`,
    `  ${statement('edge', { fontname: 'monospace', fontsize: '10' })}`,
    ...nodes(report).map((line) => `  ${line}`),
    ...trunkEdges(report).map((line) => `  ${line}`),
    ...report.segments.flatMap((segment, index) =>
      segmentEdges(report.peer, segment, COLOURS[index % COLOURS.length] ?? 'black').map(
        (line) => `  ${line}`,
      ),
    ),
    '}',
  ];
}

function nodes(report: TopologyReport): string[] {
  const roles = new Map(report.trunks.map((trunk) => [trunk.peer, trunk.roles]));
  const ports = report.segments.flatMap((segment) => segment.ports);
  const behind = ports.flatMap(({ peer, peersBehind }) => [peer, ...(peersBehind ?? [])]);
  const others = new Set([...roles.keys(), ...behind].filter((peer) => peer !== report.peer));
  return [
    node(report.peer, report.roles, { style: 'bold' }),
    ...[...others].map((peer) => node(peer, roles.get(peer) ?? [], {})),
  ];
}

function node(peer: string, roles: readonly string[], attributes: Attributes): string {
  const label = ['…' + peer.slice(-SHOWN_CHARACTERS), ...roles].join('\n');
  return statement(quoted(peer), { label, tooltip: peer, ...attributes });
}

function trunkEdges({ peer, trunks }: TopologyReport): string[] {
  return trunks.map((trunk) => {
    const facts = [
      trunk.carrier ?? trunk.state,
      ...(trunk.rttMs === null ? [] : [`${trunk.rttMs.toFixed(2)} ms`]),
    ];
    const style = trunk.state === 'up' ? 'solid' : 'dashed';
    return edge(peer, trunk.peer, { label: facts.join(' '), style });
  });
}

function segmentEdges(self: string, segment: TopologySegment, color: string): string[] {
  return segment.ports.flatMap((port) => {
    const label = `${segment.name}: ${port.role}`;
    const style = port.forwarding ? 'bold' : 'dashed';
    const others = (port.peersBehind ?? []).filter((peer) => peer !== port.peer);
    return [
      edge(self, port.peer, { label, color, fontcolor: color, style }),
      ...others.map((peer) => edge(port.peer, peer, { color, style: 'dotted' })),
    ];
  });
}

function edge(from: string, to: string, attributes: Attributes): string {
  return statement(`${quoted(from)} -- ${quoted(to)}`, attributes);
}

function statement(subject: string, attributes: Attributes): string {
  const list = Object.entries(attributes).map(([name, value]) => `${name}=${quoted(value)}`);
  return `${subject} [${list.join(', ')}];`;
}

/** A line feed is written as `\n`, which Graphviz centres; everything else of a backslash would be an escape. */
function quoted(text: string): string {
  const lines = text
    .split('\n')
    .map((line) => printable(line).replaceAll('\\', '\\\\').replaceAll('"', '\\"'));
  return `"${lines.join('\\n')}"`;
}
