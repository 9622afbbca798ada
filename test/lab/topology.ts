/**
 * Owns the shapes of underlay that tests and benches ask for.
 *
 *   pair        a ──eth0 10.99.0.1═══════10.99.0.2 eth0── b
 *
 *   middlebox   a ──eth0 10.99.0.1═══left [ middle ] right═══10.99.0.2 eth0── b      one IP subnet; `middle` is a
 *                                                                                    bridge in user space (impair.ts)
 *
 *   lan         a ──eth0 10.99.0.1──┐                      ┌──10.99.0.3 eth0── c
 *               b ──eth0 10.99.0.2──[ west ]══uplink══[ east ]──10.99.0.4 eth0── d …     two kernel bridges in one
 *                                                                                        namespace; cutting the uplink
 *                                                                                        parts the machines in two
 *
 * Runs on the main thread of a test process.
 */

import { connect, type LinkEnd, Namespace, type Wire } from './namespace.ts';

/** One machine of a topology. */
export interface Machine {
  readonly namespace: Namespace;
  /** Of its `eth0`, without the prefix length. */
  readonly address: string;
}

/** Two machines on one wire. */
export interface Pair {
  readonly a: Machine;
  readonly b: Machine;
  readonly remove: () => void;
}

/** Two machines with a third between them that may disturb what passes. */
export interface MiddleboxPair extends Pair {
  readonly middle: Namespace;
}

/** Machines on one LAN of two halves. */
export interface Lan {
  /** The first two are on the west half, the others on the east one. */
  readonly machines: readonly Machine[];
  /** Parts the halves, by taking the link between them down. */
  readonly cut: () => void;
  readonly heal: () => void;
  readonly remove: () => void;
}

/** Machines on the west half of a {@link Lan}. */
export const WEST_COUNT = 2;

/** Makes machines on one LAN. @param count - from 1 to 9 */
export function makeLan(count: number): Lan {
  const middle = new Namespace('lan');
  for (const half of ['west', 'east']) {
    middle.ip('link', 'add', half, 'type', 'bridge');
    middle.ip('link', 'set', half, 'up');
  }
  middle.ip('link', 'add', 'uplink', 'type', 'veth', 'peer', 'name', 'downlink');
  plugIn(middle, 'uplink', 'west');
  plugIn(middle, 'downlink', 'east');
  const machines = Array.from({ length: count }, (_, index) => {
    const machine = makeMachine(String.fromCharCode('a'.charCodeAt(0) + index), index + 1);
    connect(endOf(machine), { namespace: middle, interfaceName: `port${index}`, addresses: [] }, 'gso');
    plugIn(middle, `port${index}`, index < WEST_COUNT ? 'west' : 'east');
    return machine;
  });
  return {
    machines,
    cut: () => middle.ip('link', 'set', 'uplink', 'down'),
    heal: () => middle.ip('link', 'set', 'uplink', 'up'),
    remove: () => {
      removeAll([...machines.map((machine) => machine.namespace), middle]);
    },
  };
}

function plugIn(middle: Namespace, interfaceName: string, bridge: string): void {
  middle.ip('link', 'set', interfaceName, 'master', bridge);
  middle.ip('link', 'set', interfaceName, 'up');
}

/** Makes two namespaces joined by a veth. @param owner - see {@link Namespace} */
export function makePair(wire: Wire, label = '', owner?: string): Pair {
  const a = makeMachine(`${label}a`, 1, owner);
  const b = makeMachine(`${label}b`, 2, owner);
  connect(endOf(a), endOf(b), wire);
  return {
    a,
    b,
    remove: () => {
      removeAll([a.namespace, b.namespace]);
    },
  };
}

/** Makes two machines whose frames all pass a third one; see {@link joinThrough}. */
export function makeMiddleboxPair(): MiddleboxPair {
  const a = makeMachine('a', 1);
  const b = makeMachine('b', 2);
  const middle = new Namespace('m');
  joinThrough(middle, endOf(a), endOf(b));
  return {
    a,
    b,
    middle,
    remove: () => {
      removeAll([a.namespace, b.namespace, middle]);
    },
  };
}

/**
 * Joins two machines by a third, where nothing forwards until a bridge is started between its `left` and `right`.
 * Checksums are completed by the senders: what a program reads from a packet socket has no card to do it.
 */
export function joinThrough(middle: Namespace, leftEnd: LinkEnd, rightEnd: LinkEnd): void {
  connect(leftEnd, { namespace: middle, interfaceName: 'left', addresses: [] }, 'mtu');
  connect({ namespace: middle, interfaceName: 'right', addresses: [] }, rightEnd, 'mtu');
  for (const { namespace, interfaceName } of [leftEnd, rightEnd])
    namespace.runSync('ethtool', ['-K', interfaceName, 'tx', 'off']);
  for (const side of ['left', 'right']) middle.runSync('ethtool', ['-K', side, 'gro', 'off']);
}

function makeMachine(label: string, hostNumber: number, owner?: string): Machine {
  return { namespace: new Namespace(label, owner), address: `10.99.0.${hostNumber}` };
}

function endOf(machine: Machine): LinkEnd {
  return { namespace: machine.namespace, interfaceName: 'eth0', addresses: [`${machine.address}/24`] };
}

function removeAll(namespaces: readonly Namespace[]): void {
  for (const namespace of namespaces) namespace.remove();
}
