/**
 * Owns an underlay of two homes and the internet between them.
 *
 *                     natA                       internet (a bridge)                   natB
 *   a ──eth0══inside [ 10.0.0.1 ⇄ 11.0.0.1 ] outside ══╗ ║ ╔══ outside [ 11.0.0.2 ⇄ 10.0.0.1 ] inside══eth0── b
 *      10.0.0.2                                        ╚═╬═╝                                     10.0.0.3
 *                                                        ║
 *                                             relay ──eth0 11.0.0.9
 *
 * Both homes use one private range, as homes do. The internet's addresses are global ones, as no part of a node shall take
 * them for private; they exist in these namespaces only. A NAT keeps the source port towards every destination (mapping
 * is endpoint-independent, RFC 4787 section 4.1) and lets in only what answers (filtering by address and port). What it
 * refuses it drops before connection tracking has it: an entry of its own would take the port from the mapping.
 *
 * Runs on the main thread of a test process.
 */

import { connect, Namespace } from './namespace.ts';
import type { Machine } from './topology.ts';

/** A home's router. */
export interface Nat {
  readonly namespace: Namespace;
  /** On the internet. */
  readonly address: string;
}

/** See the file's head. */
export interface Nats {
  readonly a: Machine;
  readonly b: Machine;
  readonly relay: Machine;
  readonly natA: Nat;
  readonly natB: Nat;
  /** Has neither home reach the other, in silence; both still reach the relay. */
  readonly part: () => void;
  readonly join: () => void;
  readonly remove: () => void;
}

/** In each home. */
const ROUTER = '10.0.0.1';
const PART_TABLE = 'pt_part';

/** Makes both homes and the internet. */
export function makeNats(): Nats {
  const internet = new Namespace('net');
  internet.ip('link', 'add', 'wan', 'type', 'bridge');
  internet.ip('link', 'set', 'wan', 'up');
  const natA = makeNat(internet, 'nata', '11.0.0.1');
  const natB = makeNat(internet, 'natb', '11.0.0.2');
  const relay = { namespace: new Namespace('relay'), address: '11.0.0.9' };
  plugIn(internet, 'relay', { namespace: relay.namespace, interfaceName: 'eth0', address: relay.address });
  const a = makeHome(natA, 'a', '10.0.0.2');
  const b = makeHome(natB, 'b', '10.0.0.3');
  const spaces = [a, b, relay, natA, natB].map(({ namespace }) => namespace);
  return {
    a,
    b,
    relay,
    natA,
    natB,
    part: () => {
      refuse(natA, natB.address);
      refuse(natB, natA.address);
    },
    join: () => {
      for (const { namespace } of [natA, natB]) namespace.runSync('nft', [`delete table inet ${PART_TABLE}`]);
    },
    remove: () => {
      for (const namespace of [...spaces, internet]) namespace.remove();
    },
  };
}

function makeNat(internet: Namespace, label: string, address: string): Nat {
  const namespace = new Namespace(label);
  plugIn(internet, label, { namespace, interfaceName: 'outside', address });
  namespace.runSync('sh', ['-c', 'echo 1 > /proc/sys/net/ipv4/ip_forward']);
  namespace.runSync('nft', [
    'table ip nat { chain leaving { type nat hook postrouting priority srcnat; oifname "outside" masquerade persistent; }; };' +
      'table inet guard {' +
      ' chain input { type filter hook input priority 0; iifname "outside" ct state new drop; };' +
      ' chain forward { type filter hook forward priority 0; iifname "outside" ct state new drop; }; }',
  ]);
  return { namespace, address };
}

function makeHome(nat: Nat, label: string, address: string): Machine {
  const namespace = new Namespace(label);
  const inside = { namespace: nat.namespace, interfaceName: 'inside', addresses: [`${ROUTER}/24`] };
  connect({ namespace, interfaceName: 'eth0', addresses: [`${address}/24`] }, inside, 'gso');
  namespace.ip('route', 'add', 'default', 'via', ROUTER);
  return { namespace, address };
}

function plugIn(
  internet: Namespace,
  port: string,
  { address, ...end }: { namespace: Namespace; interfaceName: string; address: string },
): void {
  connect(
    { ...end, addresses: [`${address}/24`] },
    { namespace: internet, interfaceName: port, addresses: [] },
    'gso',
  );
  internet.ip('link', 'set', port, 'master', 'wan');
}

/** Drops what goes to or comes from an address, also what connection tracking knows. */
function refuse({ namespace }: Nat, address: string): void {
  const rule = (hook: string) =>
    `chain ${hook} { type filter hook ${hook} priority -10; ip saddr ${address} drop; ip daddr ${address} drop; };`;
  namespace.runSync('nft', [`table inet ${PART_TABLE} { ${rule('forward')} ${rule('input')} }`]);
}
