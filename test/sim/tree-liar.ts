/**
 * Relays that lie about their tree: they tell what they like with genuine claims that they heard, play back what others
 * said, join and accept whom they like, ask for new sequences without need, forge claims, and send noise.
 */

import { rootName } from '../../control/tree/root-claim.ts';
import {
  decodeTreeMessage,
  encodeTreeMessage,
  type PortWord,
  type ToldRoot,
  type TreeAnnounce,
  type WholeClaim,
} from '../../control/tree/tree-message.ts';
import { hash128 } from '../../control/vlan/hash.ts';
import { pick } from './mesh-scenario.ts';
import type { Liar, TreeNode, TreeWorld } from './tree-world.ts';

const REMEMBERED = 40;
const PORTS: readonly PortWord[] = ['nothing', 'join', 'accept', 'accept', 'accept', 'closed'];

/** Makes a node lie from now on, until its end. */
export function startLying(world: TreeWorld, node: TreeNode): void {
  const liar = new TreeLiar(world, node);
  node.liar = liar;
  const lieOn = (): void => {
    if (node.liar === liar) {
      liar.lie();
      world.simulation.after(world.simulation.between(5, 120), lieOn);
    }
  };
  lieOn();
}

class TreeLiar implements Liar {
  readonly #world: TreeWorld;
  readonly #node: TreeNode;
  readonly #segmentId: Uint8Array;
  readonly #claims: WholeClaim[] = [];
  readonly #recorded: Uint8Array[] = [];
  readonly #lastFrom = new Map<string, TreeAnnounce>();

  constructor(world: TreeWorld, node: TreeNode) {
    this.#world = world;
    this.#node = node;
    this.#segmentId = hash128(world.segmentKey);
  }

  hear(from: string, bytes: Uint8Array): void {
    const message = decodeTreeMessage(bytes);
    this.#recorded.push(bytes);
    if (message?.kind === 'announce') {
      this.#lastFrom.set(from, message);
      if (message.told?.claim !== undefined) this.#claims.push(message.told.claim);
    }
    for (const kept of [this.#claims, this.#recorded]) {
      if (kept.length > REMEMBERED) kept.shift();
    }
    if (this.#world.simulation.random() < 0.5) {
      this.#send(from, this.#announce(from));
    }
  }

  lie(): void {
    const { simulation } = this.#world;
    const trunk = pick(
      this.#world,
      this.#world.trunksAt(this.#node).filter(({ isUp }) => isUp),
    );
    if (trunk === undefined) {
      return;
    }
    const to = this.#world.neighbourAt(this.#node, trunk).name;
    const which = simulation.random();
    if (which < 0.6) this.#send(to, this.#announce(to));
    else if (which < 0.8) this.#send(to, pick(this.#world, this.#recorded) ?? new Uint8Array(3));
    else if (which < 0.9) this.#send(to, this.#request());
    else if (which < 0.95) this.#send(to, simulation.bytes(Math.floor(simulation.between(0, 200))));
    else this.#send(to, encodeTreeMessage(this.#segmentId, { kind: 'goodbye' }));
  }

  #send(to: string, bytes: Uint8Array): void {
    const node = this.#world.nodeOf(to);
    if (node !== undefined) this.#world.transmit(this.#node, node, bytes);
  }

  #announce(to: string): Uint8Array {
    const { simulation } = this.#world;
    const last = this.#lastFrom.get(to);
    return encodeTreeMessage(this.#segmentId, {
      kind: 'announce',
      number: Math.floor(simulation.between(1, 2 ** 42)),
      heard: simulation.random() < 0.8 ? (last?.number ?? 0) : 2 ** 42,
      port: pick(this.#world, PORTS) ?? 'nothing',
      joinNumber: simulation.random() < 0.8 ? (last?.joinNumber ?? 1) : 7,
      isFresh: simulation.random() < 0.1,
      told: simulation.random() < 0.1 ? undefined : this.#told(last),
    });
  }

  #told(last: TreeAnnounce | undefined): ToldRoot | undefined {
    const { simulation } = this.#world;
    const claim = pick(this.#world, this.#claims);
    if (last?.told !== undefined && simulation.random() < 0.4) {
      return { ...last.told, distance: this.#distance(), hops: 0, claim: undefined };
    }
    if (claim === undefined) {
      return undefined;
    }
    const forged = { ...claim, rootBytes: new Uint8Array(17), signature: simulation.bytes(64) };
    const told = simulation.random() < 0.05 ? forged : claim;
    const { rootBytes, sequence } = told;
    const distance = this.#distance();
    return { root: rootName(rootBytes), rootBytes, sequence, distance, hops: 0, claim: told };
  }

  #distance(): number {
    const { simulation } = this.#world;
    return Math.floor(simulation.random() < 0.5 ? simulation.between(0, 20) : simulation.between(0, 3_000));
  }

  #request(): Uint8Array {
    const { simulation } = this.#world;
    const rootBytes = pick(this.#world, this.#claims)?.rootBytes ?? new Uint8Array(17);
    const sequence = Math.floor(simulation.between(0, 2 ** 47));
    return encodeTreeMessage(this.#segmentId, {
      kind: 'request',
      root: rootName(rootBytes),
      rootBytes,
      sequence,
    });
  }
}
