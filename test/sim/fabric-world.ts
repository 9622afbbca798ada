/**
 * Whole fabrics of nodes, members and relays, with a model of the data plane between them: what fabric.test.ts runs in.
 *
 *   FabricMachine ──segment, tokens──▶ tables ──▶ frames: a token's set, ports, hops, cache of recent frames, TAP
 *
 * The tables are changed a little after the machine says so, and datagrams overtake each other. Signatures are a fast fake.
 * Rules of the data plane are those of protocol sections 5 and 6, as dataplane/pipeline/forward.ts has them.
 */
import assert from 'node:assert/strict';
import { FabricMachine } from '../../control/fabric/fabric-machine.ts';
import type {
  FabricChannel,
  FabricEffect,
  FabricInput,
  FabricPorts,
  FabricTokens,
} from '../../control/fabric/fabric-port.ts';
import { rootPriority } from '../../control/fabric/root-priority.ts';
import { DEFAULT_TREE_RANK } from '../../control/fabric/tree-rank.ts';
import type { RouteNow } from '../../control/token/route-announcer.ts';
import { keyOf } from '../../control/token/route-message.ts';
import {
  broadcastRoute,
  broadcastToken,
  forwardingToken,
  groupRoute,
  routeNonce,
  stationRoute,
  stationToken,
} from '../../control/token/token.ts';
import { deriveEpochKeys, type EpochKeys } from '../../control/vlan/epoch-keys.ts';
import { COST_INFINITE, type MeshNode, MeshWorld, type NodeKind } from './mesh-world.ts';
import { type Frame, ModelDataplane } from './model-dataplane.ts';
import type { Simulation } from './simulation.ts';
import { seal } from './tree-world.ts';

const PERIOD = 497_000;
const UNIX_MS = PERIOD * 3_600_000;
const GROUP = Uint8Array.of(1, 0, 94, 1, 2, 3);
const SIZE_BYTES = 1_472;
/** Neighbours find out within this that they share a VLAN. */
const MEET_MS = 100;
/** Tables are written in steps. */
const TABLE_LAG_MS = 5;
const TICKS_AT_ONCE_MAX = 20;
const REPLICATED_MEMBERS_MAX = 16;
const ALL_HOPS = 64;

/** On a trunk's stream. */
interface FabricMessage {
  readonly channel: FabricChannel;
  readonly body: Uint8Array;
}

export interface FabricNode extends MeshNode {
  readonly mac: Uint8Array;
  readonly isSubscriber: boolean;
  readonly plane: ModelDataplane;
  /** Tokens to be written anew, and their segments. */
  readonly pending: Map<string, string>;
  machine: FabricMachine | undefined;
  /** A relay carries for others; a member is in the VLAN. */
  isIn: boolean;
  /** Epochs that it is in, the newest last. */
  epochs: EpochKeys[];
  agreementKey: Uint8Array;
  tickAtMs: number;
  ticks: { atMs: number; count: number };
}

/** See the file's head. */
export class FabricWorld extends MeshWorld<FabricNode, FabricMessage> {
  epoch: EpochKeys;
  frames = 0;
  /** When a port or a token's set was last another one. */
  lastChangeMs = 0;
  /** All that there were, in order. */
  readonly #epochs: EpochKeys[] = [];
  readonly #sealKeys = new Map<string, Uint8Array>();

  constructor(simulation: Simulation) {
    super(simulation);
    this.epoch = this.#newEpoch();
  }

  #portsOf(node: FabricNode): FabricPorts {
    return {
      sign: (seed, bytes) => seal(this.#sealKeys.get(keyOf(seed)) ?? seed, bytes),
      verify: (key, bytes, signature) => Buffer.compare(seal(key, bytes), signature) === 0,
      mayCarry: () => node.isIn,
      release: () => undefined,
    };
  }

  #newEpoch(): EpochKeys {
    const epoch = deriveEpochKeys(this.simulation.bytes(32));
    this.#epochs.push(epoch);
    this.#sealKeys.set(keyOf(epoch.segment.seed), epoch.segment.publicKey);
    return epoch;
  }

  get members(): FabricNode[] {
    return this.nodes.filter((node) => node.isMember && node.isIn);
  }

  override addNode(kind: NodeKind): FabricNode {
    const index = this.nodes.length;
    const name = `n${index}`;
    return this.place({
      ...kind,
      name,
      mac: Uint8Array.of(2, 0, 0, 0, index >> 8, index & 255),
      isSubscriber: this.simulation.random() < 0.4,
      plane: new ModelDataplane(name),
      pending: new Map(),
      machine: undefined,
      isIn: false,
      epochs: [],
      agreementKey: new Uint8Array(32),
      tickAtMs: Number.POSITIVE_INFINITY,
      ticks: { atMs: 0, count: 0 },
    });
  }

  override isRunning(node: FabricNode): boolean {
    return node.isIn;
  }

  /** The daemon starts, or its user enters the VLAN again. A relay that carries again has restarted. */
  override start(node: FabricNode): void {
    assert.ok(!node.isIn);
    const trunks = this.trunksAt(node).filter(({ isUp }) => isUp);
    const isRestart = node.machine !== undefined && !node.isMember;
    if (isRestart) this.crash(node);
    node.isIn = true;
    node.epochs = node.isMember ? [this.epoch] : [];
    if (node.machine === undefined) {
      const options = { isRelay: !node.isMember, foreignSegmentsMax: 16 };
      node.machine = new FabricMachine(options, this.#portsOf(node));
      node.agreementKey = this.simulation.bytes(32);
      for (const { peer, trunk } of this.knownUp(node)) this.hearTrunkUp(node, peer, trunk.cost);
    }
    this.#tellOwn(node);
    if (isRestart) for (const trunk of trunks) this.raise(trunk);
  }

  /** A member leaves the VLAN, a relay carries nothing any more; the daemon and its trunks go on. */
  override leave(node: FabricNode): void {
    node.isIn = false;
    for (const epoch of node.epochs.splice(0)) {
      this.input(node, { kind: 'forget', segmentId: epoch.segment.id });
    }
    this.input(node, { kind: 'policy-changed' });
    this.#tellTable(node);
  }

  override kill(node: FabricNode): void {
    node.isIn = false;
    node.machine = undefined;
    node.epochs = [];
    node.plane.clear();
  }

  override block(node: FabricNode, peer: string, untilMs: number): void {
    this.input(node, { kind: 'block', peer, untilMs });
  }

  /** All members go over to a new epoch, one after the other, and forget the old one later. */
  renew(): void {
    const [old, next] = [this.epoch, this.#newEpoch()];
    this.epoch = next;
    for (const node of this.members) {
      this.simulation.after(this.simulation.between(0, 300), () => {
        if (!node.isIn || node.epochs.includes(next)) return;
        node.epochs = this.#epochs.filter((epoch) => epoch === next || node.epochs.includes(epoch));
        this.#tellOwn(node);
      });
      this.simulation.after(this.simulation.between(2_000, 6_000), () => {
        if (!node.epochs.includes(old)) return;
        node.epochs = node.epochs.filter((epoch) => epoch !== old);
        this.input(node, { kind: 'forget', segmentId: old.segment.id });
        this.#tellTable(node);
      });
    }
  }

  protected override hearTrunkUp(node: FabricNode, peer: FabricNode, cost: number): void {
    const roles = peer.isMember ? [] : ['relay'];
    this.input(node, { kind: 'trunk-up', peer: peer.name, roles });
    this.input(node, { kind: 'trunk-size', peer: peer.name, datagramMtuBytes: SIZE_BYTES });
    this.input(node, { kind: 'trunk-cost', peer: peer.name, cost });
    this.#tellOwnLater(node);
  }

  protected override hearTrunkDown(node: FabricNode, peer: FabricNode): void {
    this.input(node, { kind: 'trunk-down', peer: peer.name });
    this.#tellOwnLater(node);
  }

  protected override hearAgain(node: FabricNode, peer: FabricNode): void {
    this.input(node, { kind: 'trunk-again', peer: peer.name });
  }

  protected override hearCost(node: FabricNode, peer: FabricNode, cost: number): void {
    this.input(node, { kind: 'trunk-cost', peer: peer.name, cost });
  }

  protected override hearMessage(node: FabricNode, from: FabricNode, { channel, body }: FabricMessage): void {
    this.input(node, { kind: 'heard', peer: from.name, channel, body });
  }

  now(): RouteNow {
    const { nowMs } = this.simulation;
    return { nowMs, unixMs: UNIX_MS + nowMs };
  }

  input(node: FabricNode, input: FabricInput): void {
    const { machine } = node;
    if (machine !== undefined) {
      for (const effect of machine.handle(input, this.now())) {
        this.#perform(node, effect);
      }
      this.#schedule(node, machine);
    }
  }

  #tellOwnLater(node: FabricNode): void {
    this.simulation.after(this.simulation.between(0, MEET_MS), () => {
      this.#tellOwn(node);
    });
  }

  /** What the VLAN says of each of its epochs. */
  #tellOwn(node: FabricNode): void {
    const members = this.knownUp(node).flatMap(({ peer }) => (peer.isMember ? peer.name : []));
    for (const [index, { tokenKey, controlKey, segment }] of node.epochs.entries()) {
      const routes = [broadcastRoute(tokenKey, PERIOD), stationRoute(tokenKey, PERIOD, node.mac)];
      if (node.isSubscriber) routes.push(groupRoute(tokenKey, PERIOD, GROUP));
      this.input(node, {
        kind: 'own',
        segment,
        previous: node.epochs[index - 1]?.segment.id,
        nonce: routeNonce(controlKey, node.agreementKey),
        priority: rootPriority(controlKey, node.name),
        rank: DEFAULT_TREE_RANK,
        routes,
        members,
      });
    }
    this.#tellTable(node);
  }

  #tellTable(node: FabricNode): void {
    node.plane.setLocal(
      node.epochs.flatMap((epoch) => [
        keyOf(broadcastToken(epoch, PERIOD)),
        keyOf(stationToken(epoch, PERIOD, node.mac)),
        ...(node.isSubscriber ? [groupTokenOf(epoch)] : []),
      ]),
    );
  }

  #perform(node: FabricNode, effect: FabricEffect): void {
    switch (effect.kind) {
      case 'send': {
        const to = this.nodeOf(effect.peer);
        assert.ok(to !== undefined);
        return this.transmit(node, to, effect);
      }
      case 'segment':
        this.lastChangeMs = this.simulation.nowMs;
        return node.plane.setPorts(effect.segment, effect.ports);
      case 'segment-gone':
        return node.plane.setPorts(effect.segment, undefined);
      case 'tokens':
        return this.#writeLater(node, effect);
      case 'announcers':
        return;
    }
  }

  /** Tokens that change together are written together. */
  #writeLater(node: FabricNode, { segment, tokens }: FabricTokens): void {
    const { pending } = node;
    const isIdle = pending.size === 0;
    for (const token of tokens) pending.set(token, segment);
    if (!isIdle) return;
    this.simulation.after(this.simulation.between(0, TABLE_LAG_MS), () => {
      const written = [...pending];
      pending.clear();
      const { machine } = node;
      if (machine === undefined) return;
      this.lastChangeMs = this.simulation.nowMs;
      for (const [token, of] of written) {
        const peers = machine.routes.routesOf(token).map(({ peer }) => peer);
        node.plane.setToken(token, of, peers);
      }
    });
  }

  #schedule(node: FabricNode, machine: FabricMachine): void {
    const dueMs = machine.nextTimeoutMs(this.now());
    if (dueMs >= node.tickAtMs || dueMs === Number.POSITIVE_INFINITY) {
      return;
    }
    node.tickAtMs = dueMs;
    this.simulation.after(dueMs - this.simulation.nowMs, () => {
      if (node.tickAtMs !== dueMs || node.machine === undefined) return;
      node.tickAtMs = Number.POSITIVE_INFINITY;
      const { nowMs } = this.simulation;
      node.ticks = node.ticks.atMs === nowMs ? node.ticks : { atMs: nowMs, count: 0 };
      assert.ok(++node.ticks.count < TICKS_AT_ONCE_MAX, `${node.name} ticks on the spot`);
      this.input(node, { kind: 'tick' });
    });
  }

  // ── Frames ─────────────────────────────────────────────────────────────────────────────────────────

  /** A frame for all members. */
  broadcast(from: FabricNode): Frame | undefined {
    const epoch = from.epochs.at(-1);
    return epoch && this.#flood(from, epoch, keyOf(broadcastToken(epoch, PERIOD)));
  }

  /** A frame for the members that have joined the group. */
  multicast(from: FabricNode): Frame | undefined {
    const epoch = from.epochs.at(-1);
    return epoch && this.#send(from, groupTokenOf(epoch), { hops: ALL_HOPS });
  }

  /** A frame for one member: by its own trunk, else as its nonce is announced. */
  unicast(from: FabricNode, to: FabricNode): Frame | undefined {
    const epoch = from.epochs.at(-1);
    if (epoch === undefined || from.machine === undefined) return undefined;
    const token = keyOf(stationToken(epoch, PERIOD, to.mac));
    const nonce = routeNonce(epoch.controlKey, to.agreementKey);
    const path = this.#directTrunk(from, to) ?? from.machine.routes.pathOf(epoch.segment.id, nonce)?.peer;
    return path === undefined ? undefined : this.#send(from, token, { hops: ALL_HOPS, set: [path] });
  }

  #directTrunk(from: FabricNode, to: FabricNode): string | undefined {
    return this.knownUp(from).find(({ peer, trunk }) => peer === to && trunk.cost < COST_INFINITE)?.peer.name;
  }

  #flood(from: FabricNode, epoch: EpochKeys, token: string): Frame | undefined {
    const others = this.members.filter((node) => node !== from && node.epochs.includes(epoch));
    const direct = others.flatMap((node) => this.#directTrunk(from, node) ?? []);
    const canReplicate = others.length <= REPLICATED_MEMBERS_MAX && direct.length === others.length;
    return this.#send(from, token, canReplicate ? { hops: 1, set: direct } : { hops: ALL_HOPS });
  }

  #send(
    from: FabricNode,
    token: string,
    { hops, set = from.plane.waysOf(token) }: { readonly hops: number; readonly set?: readonly string[] },
  ): Frame {
    const frame: Frame = { id: ++this.frames, token, passed: new Map() };
    this.#pass(from, frame, { hops, set });
    return frame;
  }

  #pass(
    from: FabricNode,
    frame: Frame,
    onward: { readonly hops: number; readonly set: readonly string[] },
  ): void {
    for (const name of onward.set) {
      const to = this.nodeOf(name);
      const trunk = to && this.trunkOf(from, to);
      if (to === undefined || trunk?.isUp !== true || trunk.cost === COST_INFINITE) continue;
      const { life } = trunk;
      this.simulation.after(trunk.delayMs * this.simulation.between(0.5, 3), () => {
        if (trunk.life !== life || to.machine === undefined) return;
        const set = to.plane.receive(frame, {
          from: from.name,
          hops: onward.hops,
          nowMs: this.simulation.nowMs,
        });
        this.#pass(to, frame, { hops: onward.hops - 1, set });
      });
    }
  }
}

function groupTokenOf({ segment, tokenKey }: EpochKeys): string {
  return keyOf(forwardingToken(segment.id, groupRoute(tokenKey, PERIOD, GROUP)));
}
