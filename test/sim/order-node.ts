/**
 * One node of an order world: its machine, its group, its disk, and how it dies and comes again. Tests only.
 */
import assert from 'node:assert/strict';
import { formatPeerId } from '../../control/identity/peer-id.ts';
import type {
  GroupJob,
  GroupResult,
  GroupState,
  StateId,
} from '../../control/membership/group/group-port.ts';
import { statesOfHead } from '../../control/membership/group/order/head.ts';
import { OrderMachine } from '../../control/membership/group/order/order-machine.ts';
import type { OrderInput } from '../../control/membership/group/order/order-port.ts';
import { ModelGroup } from './model-group.ts';
import { UNIX_OFFSET_MS, VLAN_ID } from './order-authority.ts';
import type { OrderWorld } from './order-world.ts';

/** A group as a simulated node has it: sync by a model, or async. */
export interface SimGroup {
  run(job: GroupJob): GroupResult | Promise<GroupResult>;
  restore(ids: readonly StateId[]): readonly GroupState[] | Promise<readonly GroupState[]>;
}

/** A copy of a node's disk. */
interface DiskCopy {
  readonly head: Uint8Array;
  readonly states: readonly StateId[];
}

/** One node. */
export class SimOrderNode {
  readonly world: OrderWorld;
  readonly index: number;
  readonly key: Uint8Array;
  readonly peer: string;
  readonly group: SimGroup;
  readonly offers = new Map<string, Uint8Array>();
  machine: OrderMachine | undefined;
  admission: Uint8Array = new Uint8Array(0);
  head: Uint8Array | undefined;
  copies: DiskCopy[] = [];
  /** What the frame path was last told. */
  settled: GroupState | undefined;
  settledAtMs = 0;
  end: 'expelled' | 'left' | undefined;
  life = 0;
  /** Changes what goes out: a liar. */
  tamper: ((bytes: Uint8Array) => readonly Uint8Array[]) | undefined;
  #plannedMs = Number.POSITIVE_INFINITY;

  constructor(world: OrderWorld, index: number) {
    this.world = world;
    this.index = index;
    this.key = world.keyOf(index);
    this.peer = formatPeerId(this.key);
    this.group = world.makeGroup(this);
  }

  get isUp(): boolean {
    return this.machine !== undefined;
  }

  get model(): ModelGroup {
    assert.ok(this.group instanceof ModelGroup);
    return this.group;
  }

  start(input: Extract<OrderInput, { kind: 'start' }>): void {
    const options = { vlanId: VLAN_ID, self: this.peer, unixOffsetMs: UNIX_OFFSET_MS };
    this.machine = new OrderMachine(
      options,
      this.world.authority.portsOf(this, (count) => this.world.simulation.bytes(count)),
    );
    this.#plannedMs = Number.POSITIVE_INFINITY;
    this.offers.clear();
    this.input(input);
    this.world.syncLinks();
  }

  input(input: OrderInput): void {
    if (this.machine === undefined) return;
    const { life, machine } = this;
    for (const effect of machine.handle(input, this.world.simulation.nowMs)) {
      if (this.life === life) this.world.effect(this, effect);
    }
    this.#plan();
  }

  /** The process dies; what was under way is lost. */
  crash(): void {
    this.life++;
    this.machine = undefined;
    this.offers.clear();
    this.world.syncLinks();
  }

  /** Starts again from its disk, or from a copy of it. */
  async restart(copy?: DiskCopy): Promise<void> {
    const head = copy?.head ?? this.head;
    if (this.isUp || this.end !== undefined || head === undefined) return;
    if (copy !== undefined && this.group instanceof ModelGroup) {
      this.group.disk.clear();
      for (const id of copy.states) this.group.disk.add(id);
    }
    this.head = head;
    const restored = this.group.restore(statesOfHead(head) ?? []);
    const states = restored instanceof Promise ? await restored : restored;
    this.start({ kind: 'start', from: 'restore', head, states });
  }

  /** As `restart`; async for groups that are no models. */
  restartNow(copy?: DiskCopy): void {
    this.world.await(this.restart(copy));
  }

  #plan(): void {
    const { machine, life, world } = this;
    if (machine === undefined) return;
    const dueMs = Math.max(machine.nextTimeoutMs(), world.simulation.nowMs + 1);
    if (dueMs >= this.#plannedMs || !Number.isFinite(dueMs)) return;
    this.#plannedMs = dueMs;
    world.simulation.after(dueMs - world.simulation.nowMs, () => {
      if (this.life !== life) return;
      if (this.#plannedMs <= world.simulation.nowMs) this.#plannedMs = Number.POSITIVE_INFINITY;
      this.input({ kind: 'tick' });
    });
  }
}
