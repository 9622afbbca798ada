/**
 * Owns underlays of single links: machines that reach only whom they have a wire to, since no kernel forwards.
 *
 *   line    a ── b ── c ── d ── e           star     b   c           ring   line, and e ── a
 *                                                     ╲ ╱
 *   edge k: 10.98.k.1 ═══ 10.98.k.2 (/30)              a             mesh   each with each
 *   the interface that leads to b is `to_b`           ╱ ╲
 *                                                     d   e
 *
 *   disturbed edge    a ──to_b═══left [ a machine of its own, a bridge in user space ] right═══to_a── b
 *
 * A cut link is silent: what arrives is dropped at both ends, and neither kernel takes the interface down, so that nobody
 * is told. Runs on the main thread of a test process.
 */

import { cutOff, reconnect } from './firewall.ts';
import { connect, type LinkEnd, Namespace, type Wire } from './namespace.ts';
import { joinThrough, type Machine } from './topology.ts';

/** Two machines that have a wire between them, by their numbers; the lower one first. */
export type Edge = readonly [number, number];

/** What links may differ in. */
export interface LinksOptions {
  /** The edge whose frames all pass a bridge in user space (probe/bridge.ts), which the test starts and ends. */
  readonly disturbed?: Edge;
  /** `gso` unless given. */
  readonly wire?: Wire;
  /** What a link takes; 1,500 unless given. */
  readonly mtuBytesOf?: (edge: Edge) => number;
}

/** Machine i to machine i + 1. */
export function line(count: number): Edge[] {
  return Array.from({ length: count - 1 }, (_, at): Edge => [at, at + 1]);
}

/** A line whose last machine has a wire to its first. */
export function ring(count: number): Edge[] {
  return [...line(count), [0, count - 1]];
}

/** All to machine 0, and to nobody else. */
export function star(count: number): Edge[] {
  return Array.from({ length: count - 1 }, (_, at): Edge => [0, at + 1]);
}

/** Each to each. */
export function mesh(count: number): Edge[] {
  return Array.from({ length: count }, (_, from) =>
    Array.from({ length: count - from - 1 }, (_, at): Edge => [from, from + at + 1]),
  ).flat();
}

/** See the file's head. */
export class Links {
  /** A machine's address is the one of its first link; see {@link Links.addressOf}. */
  readonly machines: readonly Machine[];
  readonly edges: readonly Edge[];
  /** The machine in the disturbed edge, with `left` towards the lower number. */
  readonly middle: Namespace | undefined;
  readonly #cut = new Set<Edge>();

  constructor(count: number, edges: readonly Edge[], options: LinksOptions = {}) {
    this.edges = edges;
    this.machines = Array.from({ length: count }, (_, index) => ({
      namespace: new Namespace(letterOf(index)),
      address: this.#firstAddressOf(index),
    }));
    this.middle = options.disturbed === undefined ? undefined : new Namespace('m');
    for (const edge of edges) this.#wire(edge, options);
  }

  machine(index: number): Machine {
    const machine = this.machines[index];
    if (machine === undefined) throw new RangeError(`there is no machine ${index}`);
    return machine;
  }

  /** The address of one machine on its link to another. */
  addressOf(index: number, towards: number): string {
    const edge = this.#edge(index, towards);
    return `10.98.${this.edges.indexOf(edge)}.${edge[0] === index ? 1 : 2}`;
  }

  /** The name of each machine's interface that leads to this one. */
  interfaceTo(towards: number): string {
    return `to_${letterOf(towards)}`;
  }

  /** The machines that a machine has a wire to. */
  neighboursOf(index: number): number[] {
    return this.edges
      .filter((edge) => edge.includes(index))
      .map(([from, to]) => (from === index ? to : from));
  }

  /** The neighbours to which the link is not cut. */
  reachableFrom(index: number): number[] {
    return this.neighboursOf(index).filter((other) => !this.#cut.has(this.#edge(index, other)));
  }

  /** Has a link carry nothing more, in silence. */
  cut(from: number, to: number): void {
    this.#cut.add(this.#edge(from, to));
    cutOff(this.machine(from).namespace, this.interfaceTo(to));
    cutOff(this.machine(to).namespace, this.interfaceTo(from));
  }

  /** Ends {@link Links.cut}. */
  restore(from: number, to: number): void {
    this.#cut.delete(this.#edge(from, to));
    reconnect(this.machine(from).namespace, this.interfaceTo(to));
    reconnect(this.machine(to).namespace, this.interfaceTo(from));
  }

  /** Bytes that a machine has sent over a link since it was made, as its kernel counts them. */
  sentBytes(from: number, to: number): number {
    return this.machine(from).namespace.counters(this.interfaceTo(to)).sentBytes;
  }

  remove(): void {
    for (const { namespace } of this.machines) namespace.remove();
    this.middle?.remove();
  }

  #firstAddressOf(index: number): string {
    const [first] = this.neighboursOf(index);
    if (first === undefined) throw new RangeError(`machine ${index} has no link`);
    return this.addressOf(index, first);
  }

  #edge(from: number, to: number): Edge {
    const edge = this.edges.find((one) => one.includes(from) && one.includes(to));
    if (edge === undefined) throw new RangeError(`no link between ${from} and ${to}`);
    return edge;
  }

  #wire(edge: Edge, { disturbed, mtuBytesOf, wire }: LinksOptions): void {
    const [left, right] = [this.#endOf(edge[0], edge[1]), this.#endOf(edge[1], edge[0])];
    const isDisturbed = disturbed !== undefined && this.#edge(...disturbed) === edge;
    if (isDisturbed && this.middle !== undefined) joinThrough(this.middle, left, right);
    else connect(left, right, wire ?? 'gso');
    if (mtuBytesOf === undefined) return;
    const mtuBytes = String(mtuBytesOf(edge));
    for (const end of [left, right]) end.namespace.ip('link', 'set', end.interfaceName, 'mtu', mtuBytes);
  }

  #endOf(index: number, towards: number): LinkEnd {
    const addresses = [`${this.addressOf(index, towards)}/30`];
    return {
      namespace: this.machine(index).namespace,
      interfaceName: this.interfaceTo(towards),
      addresses,
    };
  }
}

/** Makes links, works with them, and removes them however that ends. */
export async function withLinks(links: Links, work: (links: Links) => Promise<void>): Promise<void> {
  try {
    await work(links);
  } finally {
    links.remove();
  }
}

function letterOf(index: number): string {
  return String.fromCharCode('a'.charCodeAt(0) + index);
}
