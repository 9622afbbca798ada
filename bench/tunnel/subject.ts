/**
 * Owns the limits that a tunnel is compared with: the bare link and kernel VXLAN, each on an underlay of its own.
 *
 *   bare     a ──eth0 10.99.0.1══════10.99.0.2 eth0── b
 *   vxlan    a ──vx0 10.98.0.1 ┈┈(eth0 ══════ eth0)┈┈ 10.98.0.2 vx0── b
 *
 * Runs on the main thread of the bench.
 */

import type { Namespace, Wire } from '../../test/lab/namespace.ts';
import { makePair } from '../../test/lab/topology.ts';

/** Names of the subjects that verdicts speak of. */
export const SUBJECT_NAMES = {
  bare: 'bare link',
  vxlan: 'kernel VXLAN',
  null: 'PeerTap null',
  native: 'PeerTap native',
  typescript: 'PeerTap TypeScript',
  wireguard: 'wireguard-go (L3)',
} as const;

/** What a subject is to the table: a limit, this project, or another tunnel. */
export type SubjectKind = 'limit' | 'peertap' | 'peer';

/** Something that carries a user's traffic from `client` to `server`. */
export interface Subject {
  readonly name: string;
  readonly kind: SubjectKind;
  /** OSI layer of what it carries. */
  readonly layer: 2 | 3;
  readonly client: Namespace;
  readonly server: Namespace;
  readonly serverAddress: string;
  /** Daemons whose cost counts; empty for what the kernel does alone. */
  readonly processIds: () => readonly number[];
  /** Ends all daemons, starts them again and waits for a ping; in ms. Absent where that is not measured. */
  readonly startToFirstPing?: () => Promise<number>;
  /** Ends the daemons and frees the namespaces. */
  readonly remove: () => void | Promise<void>;
}

/** The interface of the underlay in every namespace. */
export const UNDERLAY_INTERFACE = 'eth0';

const VXLAN_PORT = 4789;

/** The veth itself: what no tunnel on it can exceed. */
export function makeBareSubject(wire: Wire): Subject {
  const { a, b, remove } = makePair(wire, 'bare');
  return {
    name: SUBJECT_NAMES.bare,
    kind: 'limit',
    layer: 2,
    client: a.namespace,
    server: b.namespace,
    serverAddress: b.address,
    processIds: () => [],
    remove,
  };
}

/** The kernel's own layer-2 tunnel, without encryption. */
export function makeVxlanSubject(wire: Wire): Subject {
  const { a, b, remove } = makePair(wire, 'vxlan');
  for (const [near, far, inner] of [
    [a, b, '10.98.0.1/24'],
    [b, a, '10.98.0.2/24'],
  ] as const) {
    const ends = ['local', near.address, 'remote', far.address, 'dstport', String(VXLAN_PORT)];
    near.namespace.ip('link', 'add', 'vx0', 'type', 'vxlan', 'id', '7', ...ends);
    near.namespace.ip('addr', 'add', inner, 'dev', 'vx0');
    near.namespace.ip('link', 'set', 'vx0', 'up');
  }
  return {
    name: SUBJECT_NAMES.vxlan,
    kind: 'limit',
    layer: 2,
    client: a.namespace,
    server: b.namespace,
    serverAddress: '10.98.0.2',
    processIds: () => [],
    remove,
  };
}
