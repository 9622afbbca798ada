/**
 * Token announcements in a simulated network: neighbours come and go, streams break in the middle, stations and epochs
 * change, clocks differ. At every moment nobody is believed to want what it never wanted; once all is quiet, each
 * neighbour's set is known exactly, and an idle network is silent.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createRoutePorts } from '../../control/token/node-ports.ts';
import type { RouteNow } from '../../control/token/route-announcer.ts';
import { ROUTE_TIMING } from '../../control/token/route-limits.ts';
import { keyOf } from '../../control/token/route-message.ts';
import type { RouteInput } from '../../control/token/route-port.ts';
import { forwardingToken } from '../../control/token/token.ts';
import { TokenRoutes } from '../../control/token/token-routes.ts';
import { deriveEpochKeys, type EpochKeys } from '../../control/vlan/epoch-keys.ts';
import { Simulation } from './simulation.ts';

const SEEDS = process.env['PEERTAP_SEED'] === undefined ? 20 : 1;
const FIRST_SEED = Number(process.env['PEERTAP_SEED'] ?? 1);
const UNIX_MS = 1_778_400_000_000;
/** Epochs that a VLAN goes through. */
const EPOCHS = Array.from({ length: 4 }, (_, index) => deriveEpochKeys(new Uint8Array(32).fill(index)));
/** All that anybody may want. */
const ROUTES = 40;
const EVERY_ROUTE = EPOCHS.flatMap((epoch) =>
  Array.from({ length: ROUTES }, (_, value) => {
    const token = forwardingToken(epoch.segment.id, new Uint8Array(16).fill(value));
    return { epoch, value, token, key: keyOf(token) };
  }),
);
/** What a lost withdrawal leaves behind ends by then. */
const SETTLED_MS = 2 * ROUTE_TIMING.lifetimeMs;
const PAIR_IDLE_BYTES_PER_SECOND = 3;

class SimNode {
  readonly name: string;
  readonly machine: TokenRoutes;
  readonly #world: World;
  readonly #skewMs: number;
  readonly #nonce: Uint8Array;
  /** Routes by epoch. */
  readonly wanted = new Map<EpochKeys, Uint8Array[]>();
  readonly neighbours = new Set<SimNode>();
  /** Tokens that it ever wanted. */
  readonly ever = new Set<string>();
  #timer = Number.POSITIVE_INFINITY;

  constructor(world: World, name: string) {
    this.#world = world;
    this.name = name;
    const random = world.simulation;
    this.#skewMs = random.between(-60_000, 60_000);
    this.machine = new TokenRoutes(createRoutePorts());
    this.#nonce = random.bytes(16);
  }

  now(): RouteNow {
    const { nowMs } = this.#world.simulation;
    return { nowMs, unixMs: nowMs + UNIX_MS + this.#skewMs };
  }

  handle(input: RouteInput): void {
    for (const effect of this.machine.handle(input, this.now())) {
      if (effect.kind === 'send') {
        this.#world.send(this, effect.peer, effect.bytes);
      }
    }
    this.#schedule();
  }

  #schedule(): void {
    const dueMs = this.machine.nextTimeoutMs(this.now());
    if (dueMs < this.#timer) {
      this.#timer = dueMs;
      this.#world.simulation.after(dueMs - this.#world.simulation.nowMs, () => {
        this.#timer = Number.POSITIVE_INFINITY;
        this.handle({ kind: 'tick' });
      });
    }
  }

  want(epoch: EpochKeys, routes: Uint8Array[]): void {
    this.wanted.set(epoch, routes);
    for (const route of routes) {
      this.ever.add(keyOf(forwardingToken(epoch.segment.id, route)));
    }
    this.handle({ kind: 'want', segment: epoch.segment, nonce: this.#nonce, routes });
    this.tellNeighbours();
  }

  forget(epoch: EpochKeys): void {
    this.wanted.delete(epoch);
    this.handle({ kind: 'forget', segmentId: epoch.segment.id });
  }

  tellNeighbours(): void {
    const peers = [...this.neighbours].map(({ name }) => name);
    for (const epoch of this.wanted.keys()) {
      this.handle({ kind: 'partners', segmentId: epoch.segment.id, peers });
    }
  }
}

class World {
  readonly simulation: Simulation;
  readonly nodes: SimNode[];
  /** Of the stream between two nodes: what was on its way on an older one is lost. */
  readonly #streams = new Map<string, { generation: number; clearMs: number }>();
  bytes = 0;

  constructor(seed: number) {
    this.simulation = new Simulation(seed);
    const count = 2 + Math.floor(this.simulation.random() * 5);
    this.nodes = Array.from({ length: count }, (_, index) => new SimNode(this, `n${index}`));
  }

  pick<T>(values: readonly T[]): T {
    const value = values[Math.floor(this.simulation.random() * values.length)];
    assert.ok(value !== undefined);
    return value;
  }

  pair(): [SimNode, SimNode] {
    const one = this.pick(this.nodes);
    return [one, this.pick(this.nodes.filter((node) => node !== one))];
  }

  #stream(one: SimNode, other: SimNode): { generation: number; clearMs: number } {
    const key = `${one.name}/${other.name}`;
    const stream = this.#streams.get(key) ?? { generation: 0, clearMs: 0 };
    this.#streams.set(key, stream);
    return stream;
  }

  /** In order, unless the stream breaks meanwhile. */
  send(from: SimNode, peer: string, bytes: Uint8Array): void {
    const to = this.nodes.find(({ name }) => name === peer);
    assert.ok(to !== undefined && from.neighbours.has(to), 'sent to one who is no neighbour');
    this.bytes += bytes.length;
    const stream = this.#stream(from, to);
    const { generation } = stream;
    stream.clearMs = Math.max(stream.clearMs, this.simulation.nowMs + this.simulation.between(1, 150));
    this.simulation.after(stream.clearMs - this.simulation.nowMs, () => {
      if (this.#stream(from, to).generation === generation) {
        to.handle({ kind: 'message', peer: from.name, bytes });
      }
    });
  }

  connect(one: SimNode, other: SimNode): void {
    one.neighbours.add(other);
    other.neighbours.add(one);
    one.tellNeighbours();
    other.tellNeighbours();
  }

  disconnect(one: SimNode, other: SimNode): void {
    this.breakStream(one, other);
    for (const [node, peer] of [
      [one, other],
      [other, one],
    ] as const) {
      node.neighbours.delete(peer);
      node.handle({ kind: 'trunk-down', peer: peer.name });
    }
  }

  breakStream(one: SimNode, other: SimNode): void {
    this.#stream(one, other).generation++;
    this.#stream(other, one).generation++;
  }

  /** One thing that happens to the network. */
  upset(): void {
    const { simulation } = this;
    const [one, other] = this.pair();
    const dice = simulation.random();
    if (dice < 0.15) {
      if (one.neighbours.has(other)) {
        this.disconnect(one, other);
      } else {
        this.connect(one, other);
      }
    } else if (dice < 0.3 && one.neighbours.has(other)) {
      this.breakStream(one, other);
      simulation.after(simulation.between(1, 500), () => {
        if (one.neighbours.has(other)) {
          one.handle({ kind: 'again', peer: other.name });
          other.handle({ kind: 'again', peer: one.name });
        }
      });
    } else if (dice < 0.4) {
      one.forget(this.pick(EPOCHS));
    } else {
      const count = Math.floor(simulation.random() * 20);
      const routes = Array.from({ length: count }, () =>
        new Uint8Array(16).fill(simulation.random() * ROUTES),
      );
      one.want(this.pick(EPOCHS), routes);
    }
    this.assertNothingInvented();
  }

  assertNothingInvented(): void {
    for (const node of this.nodes) {
      for (const other of this.nodes) {
        for (const { token, key } of EVERY_ROUTE) {
          const isRouted = node.machine.isRouted(other.name, token);
          assert.ok(!isRouted || other.ever.has(key), `${other.name} never wanted it`);
          assert.ok(!isRouted || node.neighbours.has(other), `${other.name} is no neighbour`);
        }
      }
    }
  }

  assertExact(): void {
    for (const node of this.nodes) {
      for (const other of node.neighbours) {
        for (const { epoch, value, token } of EVERY_ROUTE) {
          const wants = other.wanted.get(epoch)?.some((own) => own[0] === value) === true;
          const isRouted = node.machine.isRouted(other.name, token);
          assert.equal(isRouted, wants && node.wanted.has(epoch), `${node.name} of ${other.name}`);
        }
      }
    }
  }
}

for (let seed = FIRST_SEED; seed < FIRST_SEED + SEEDS; seed++) {
  test(`neighbours know of each other what they want, and no more; PEERTAP_SEED=${seed}`, () => {
    const world = new World(seed);
    for (let event = 0; event < 60; event++) {
      world.upset();
      world.simulation.runUntil(world.simulation.nowMs + world.simulation.between(0, 3_000));
    }
    world.simulation.runUntil(world.simulation.nowMs + SETTLED_MS);
    world.assertExact();

    world.bytes = 0;
    world.simulation.runUntil(world.simulation.nowMs + 7_200_000);
    world.assertExact();
    const streams = world.nodes.reduce((sum, { neighbours }) => sum + neighbours.size, 0);
    const idle = world.bytes / 7_200 / Math.max(1, streams / 2);
    assert.ok(idle < PAIR_IDLE_BYTES_PER_SECOND, `${idle} bytes a second for a pair`);
  });
}
