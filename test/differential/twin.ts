/**
 * One node twice, the same to the byte: under the TypeScript engine, the reference, and under the native one. Every
 * stage is run on both, and everything that it may have written is compared. Tests only.
 */
import assert from 'node:assert/strict';
import { COUNTER_NAMES } from '../../dataplane/base/counter.ts';
import { DROP_CODES } from '../../dataplane/base/drop-code.ts';
import type { Engine } from '../../dataplane/contract/engine.ts';
import { createNativeEngine } from '../../dataplane/native/load.ts';
import {
  ArenaHeader,
  FRAME_DROPPED,
  FrameDescriptor,
  Iovec,
  NONE,
  RX_DROPPED,
  RX_FORWARDED,
  RX_FRAME,
  RX_HELD,
  RX_LOCAL,
  RX_OPEN,
  RX_PUNTED,
  RxDatagram,
  Seen,
  Snooped,
  TapWrite,
  Train,
  TxDatagram,
} from '../../dataplane/shm/layout.ts';
import { ARENA, COUNTER_BASE } from '../../dataplane/shm/memory-map.ts';
import type { Struct } from '../../dataplane/shm/struct.ts';
import { type FixtureNode, putDatagrams, putFrames, type TapFrame } from '../harness/dataplane-fixture.ts';
import { getField, setFields } from '../harness/table-writer.ts';
import { createReferenceEngine } from './reference-engine.ts';

/** Fields of RxDatagram that are set once a verdict is reached. */
const RX_FIELDS: Readonly<Record<number, readonly string[]>> = {
  [RX_DROPPED]: [],
  [RX_OPEN]: ['lane', 'trunk', 'control', 'counterLow', 'counterHigh', 'token'],
  [RX_LOCAL]: ['lane', 'trunk', 'control', 'counterLow', 'counterHigh', 'token', 'epoch', 'set'],
  [RX_FORWARDED]: ['lane', 'trunk', 'control', 'counterLow', 'counterHigh', 'token', 'epoch', 'set'],
  [RX_PUNTED]: [
    'lane',
    'trunk',
    'control',
    'counterLow',
    'counterHigh',
    'token',
    'frameOffset',
    'frameLength',
  ],
  [RX_FRAME]: ['lane', 'trunk', 'control', 'token', 'epoch', 'sender', 'frameLength', 'vlan', 'member'],
  [RX_HELD]: ['lane', 'trunk', 'control', 'token', 'epoch', 'sender'],
};

interface Half {
  readonly node: FixtureNode;
  readonly engine: Engine;
}

/** Both halves, and the stages on both. */
export class Twin {
  readonly reference: Half;
  readonly native: Half;

  constructor(reference: FixtureNode, native: FixtureNode) {
    this.reference = { node: reference, engine: createReferenceEngine(reference.tables, reference.arena) };
    this.native = { node: native, engine: createNativeEngine(native.tables, native.arena) };
  }

  close(): void {
    this.reference.engine.close();
    this.native.engine.close();
  }

  /** Does the same to both nodes. */
  change(apply: (node: FixtureNode) => void): void {
    apply(this.reference.node);
    apply(this.native.node);
  }

  /** Frames through classify … closeLink; returns each train's datagrams, as they would be sent. */
  egress(
    frames: readonly TapFrame[],
    edit: (node: FixtureNode, count: number) => void = () => {},
  ): Uint8Array[] {
    const count = this.both((half) => putFrames(half.node, frames));
    this.both((half) => {
      half.engine.classify(count);
    });
    this.compareFrames(count);
    const sent: Uint8Array[] = [];
    for (let from = 0; from < count; ) {
      const next = this.both((half) => half.engine.segment(from, count));
      this.compareHeader(['txDatagramCount', 'txBytes', 'nextFragmentId']);
      this.compareFrames(count);
      sent.push(...this.transmit(edit));
      assert.ok(next > from, 'segment made no progress');
      from = next;
    }
    this.compareCounters();
    return sent;
  }

  private transmit(edit: (node: FixtureNode, count: number) => void): Uint8Array[] {
    const datagrams = this.headerField('txDatagramCount');
    this.compareTxDescriptors(datagrams);
    this.change((node) => {
      edit(node, datagrams);
    });
    this.both((half) => {
      half.engine.seal(datagrams);
    });
    this.compareTxDescriptors(datagrams);
    this.compareTx(datagrams);
    const trains = this.both((half) => half.engine.train(datagrams));
    const sent: Uint8Array[] = [];
    for (let train = 0; train < trains; train++) {
      this.compareStruct(Train, ARENA.trains + train * Train.size, [
        'first',
        'count',
        'trunk',
        'lane',
        'owner',
        'bytes',
      ]);
      const code = this.both((half) => half.engine.closeLink(train));
      if (code !== 0) continue;
      sent.push(...this.takeTrain(train));
    }
    this.compareCounters();
    return sent;
  }

  /** Copies of a closed train's datagrams, the same on both sides. */
  private takeTrain(train: number): Uint8Array[] {
    const { buffer, bytes } = this.reference.node.arena;
    const at = ARENA.trains + train * Train.size;
    const first = getField(buffer, Train, at, 'first');
    return Array.from({ length: getField(buffer, Train, at, 'count') }, (_, index) => {
      const datagram = ARENA.txDatagrams + (first + index) * TxDatagram.size;
      const offset = getField(buffer, TxDatagram, datagram, 'offset');
      const length = getField(buffer, TxDatagram, datagram, 'length');
      this.compareBytes(offset, length, `datagram ${index} of train ${train}`);
      return bytes.slice(offset, offset + length);
    });
  }

  /** Datagrams through openLink … coalesce, and those for others through relay; returns the number of writes. */
  ingress(datagrams: readonly Uint8Array[], carrier: number): number {
    const count = this.both((half) => putDatagrams(half.node, datagrams));
    this.compareAfter(count, (engine) => {
      engine.openLink(count, carrier);
    });
    const leaving = this.compareAfter(count, (engine) => engine.forward(count));
    this.compareHeader(['localCount']);
    if (leaving > 0) this.relay(count);
    this.compareAfter(count, (engine) => {
      engine.openFrame(count);
    });
    this.compareAfter(count, (engine) => {
      engine.learn(count);
    });
    const writes = this.both((half) => half.engine.coalesce(count));
    this.compareWrites(writes);
    this.compareCounters();
    return writes;
  }

  /** As {@link ingress}, by one call. What is passed on is closed, sent into nothing, and compared where it lies. */
  ingressAtOnce(datagrams: readonly Uint8Array[], carrier: number): void {
    const count = this.both((half) => putDatagrams(half.node, datagrams));
    this.both((half) => {
      half.engine.carryIn(count, carrier);
    });
    for (let held = this.headerField('heldTrains'); held > 0; held = this.headerField('heldTrains')) {
      this.compareHeader(['heldTrains']);
      this.both((half) => {
        half.engine.carryOn();
      });
    }
    this.compareHeader(['heldTrains', 'localCount']);
    this.compareRx(count);
  }

  /** What the last ingress passed on: the datagrams of each train, closed. */
  readonly passedOn: Uint8Array[] = [];

  private relay(count: number): void {
    this.passedOn.length = 0;
    const trains = this.both((half) => half.engine.relay(count));
    for (let train = 0; train < trains; train++) {
      const fields = ['first', 'count', 'trunk', 'lane', 'owner', 'bytes'];
      this.compareStruct(Train, ARENA.trains + train * Train.size, fields);
      const lane = getField(
        this.reference.node.arena.buffer,
        Train,
        ARENA.trains + train * Train.size,
        'lane',
      );
      if (lane === NONE) continue;
      if (this.both((half) => half.engine.closeLink(train)) === 0)
        this.passedOn.push(...this.takeTrain(train));
    }
    this.compareCounters();
  }

  private compareAfter<T>(count: number, stage: (engine: Engine) => T): T {
    const answer = this.both((half) => stage(half.engine));
    this.compareRx(count);
    this.compareCounters();
    return answer;
  }

  /** The tables of both, whole: windows, counters, ages. */
  compareTables(): void {
    const [left, right] = [this.reference.node.tables.bytes, this.native.node.tables.bytes];
    if (Buffer.compare(left, right) === 0) return;
    const at = left.findIndex((byte, index) => byte !== right[index]);
    assert.fail(`the tables differ at byte ${at}`);
  }

  /** Names of the drop codes that were counted. */
  dropped(): string[] {
    const { counters } = this.reference.node.arena;
    return DROP_CODES.filter((_, code) => (counters[code] ?? 0) > 0);
  }

  private both<T>(run: (half: Half) => T): T {
    const expected = run(this.reference);
    assert.deepEqual(run(this.native), expected);
    return expected;
  }

  private headerField(name: string): number {
    return getField(this.reference.node.arena.buffer, ArenaHeader, ARENA.header, name);
  }

  private compareHeader(names: readonly string[]): void {
    this.compareStruct(ArenaHeader, ARENA.header, names);
  }

  private compareStruct(layout: Struct, at: number, names: readonly string[]): void {
    if (this.isEqual(at, layout.size)) return;
    const fields = (half: Half): Record<string, string | number> =>
      Object.fromEntries(names.map((name) => [name, fieldOf(half.node, layout, at, name)]));
    const index = layout === ArenaHeader ? 0 : at;
    assert.deepEqual(fields(this.native), fields(this.reference), `${layout.name} at ${index}`);
  }

  private verdict(layout: Struct, at: number): number {
    this.compareStruct(layout, at, ['verdict']);
    return getField(this.reference.node.arena.buffer, layout, at, 'verdict');
  }

  private compareFrames(count: number): void {
    this.compareHeader(['seenCount']);
    for (let index = 0; index < this.headerField('seenCount'); index++) {
      this.compareStruct(Seen, ARENA.seen + index * Seen.size, Object.keys(Seen.at));
    }
    this.compareSnooped();
    for (let index = 0; index < count; index++) {
      const at = ARENA.frames + index * FrameDescriptor.size;
      if (this.verdict(FrameDescriptor, at) === FRAME_DROPPED) continue;
      this.compareStruct(FrameDescriptor, at, Object.keys(FrameDescriptor.at));
    }
  }

  private compareSnooped(): void {
    this.compareHeader(['snoopedCount']);
    for (let index = 0; index < this.headerField('snoopedCount'); index++) {
      const at = ARENA.snooped + index * Snooped.size;
      this.compareStruct(Snooped, at, Object.keys(Snooped.at));
      const { buffer } = this.reference.node.arena;
      const length = getField(buffer, Snooped, at, 'length');
      this.compareBytes(getField(buffer, Snooped, at, 'offset'), length, `snooped frame ${index}`);
    }
  }

  private compareTxDescriptors(count: number): void {
    this.forEachTx(count, (at) => {
      this.compareStruct(TxDatagram, at, Object.keys(TxDatagram.at));
    });
  }

  /** From the masked sender to the tag. Before seal, where a plaintext lies is an engine's own affair. */
  private compareTx(count: number): void {
    this.forEachTx(count, (at, index) => {
      const offset = getField(this.reference.node.arena.buffer, TxDatagram, at, 'offset');
      const length = getField(this.reference.node.arena.buffer, TxDatagram, at, 'length');
      this.compareBytes(offset + 32, length - 32, `datagram ${index}`);
    });
  }

  private forEachTx(count: number, compare: (at: number, index: number) => void): void {
    for (let index = 0; index < count; index++) {
      const at = ARENA.txDatagrams + index * TxDatagram.size;
      if (this.verdict(TxDatagram, at) !== FRAME_DROPPED) compare(at, index);
    }
  }

  private compareRx(count: number): void {
    this.compareHeader(['puntCount']);
    this.compareBytes(ARENA.punts, 4 * this.headerField('puntCount'), 'punts');
    for (let index = 0; index < count; index++) {
      const at = ARENA.rxDatagrams + index * RxDatagram.size;
      const verdict = this.verdict(RxDatagram, at);
      this.compareStruct(RxDatagram, at, RX_FIELDS[verdict] ?? []);
      if (verdict !== RX_FRAME && verdict !== RX_PUNTED) continue;
      const [actual, expected] = [frameOf(this.native.node, at), frameOf(this.reference.node, at)];
      if (!actual.equals(expected)) assert.deepEqual(actual, expected, `frame of datagram ${index}`);
    }
  }

  private compareWrites(count: number): void {
    for (let index = 0; index < count; index++) {
      const at = ARENA.writes + index * TapWrite.size;
      this.compareStruct(TapWrite, at, ['vlan', 'iovecCount', 'length', 'datagrams', 'flowHash']);
      this.compareBytes(at + TapWrite.at.virtio, 10, `virtio header of write ${index}`);
      const [actual, expected] = [pieces(this.native.node, at), pieces(this.reference.node, at)];
      const isSame = actual.every((piece, place) => piece.equals(expected[place] ?? Buffer.of()));
      if (!isSame || actual.length !== expected.length)
        assert.deepEqual(actual, expected, `pieces of write ${index}`);
    }
  }

  private compareBytes(offset: number, length: number, what: string): void {
    if (this.isEqual(offset, length)) return;
    const [left, right] = [this.reference.node.arena, this.native.node.arena];
    assert.deepEqual(
      Buffer.from(right.buffer, offset, length),
      Buffer.from(left.buffer, offset, length),
      what,
    );
  }

  /** Whether a range of both arenas is the same to the byte. */
  private isEqual(offset: number, length: number): boolean {
    const [left, right] = [this.reference.node.arena.buffer, this.native.node.arena.buffer];
    return Buffer.from(left, offset, length).equals(Buffer.from(right, offset, length));
  }

  private compareCounters(): void {
    const named = (half: Half): Record<string, number> => {
      const { counters } = half.node.arena;
      const drops = DROP_CODES.map((name, code) => [name, counters[code] ?? 0] as const);
      const others = COUNTER_NAMES.map((name, index) => [name, counters[COUNTER_BASE + index] ?? 0] as const);
      return Object.fromEntries([...drops, ...others].filter(([, value]) => value !== 0));
    };
    assert.deepEqual(named(this.native), named(this.reference));
  }
}

/** Moves both clocks. */
export function advance(twin: Twin, byMs: number): void {
  twin.change((node) => {
    const now = getField(node.arena.buffer, ArenaHeader, ARENA.header, 'nowMs');
    setFields(node.arena.buffer, ArenaHeader, ARENA.header, { nowMs: now + byMs });
  });
}

function fieldOf(node: FixtureNode, layout: Struct, at: number, name: string): string | number {
  const field = layout.fields[name];
  if (typeof field === 'string') return getField(node.arena.buffer, layout, at, name);
  const [scalar, count] = field ?? ['u8', 0];
  const start = at + (layout.at[name] ?? 0);
  return Buffer.from(node.arena.buffer, start, (scalar === 'u8' ? 1 : 4) * count).toString('hex');
}

function frameOf(node: FixtureNode, at: number): Buffer {
  const offset = getField(node.arena.buffer, RxDatagram, at, 'frameOffset');
  return Buffer.from(node.arena.buffer, offset, getField(node.arena.buffer, RxDatagram, at, 'frameLength'));
}

function pieces(node: FixtureNode, write: number): Buffer[] {
  const { buffer } = node.arena;
  const first = getField(buffer, TapWrite, write, 'iovecFirst');
  return Array.from({ length: getField(buffer, TapWrite, write, 'iovecCount') }, (_, piece) => {
    const at = ARENA.iovecs + (first + piece) * Iovec.size;
    const offset = getField(buffer, Iovec, at, 'offset');
    return Buffer.from(buffer, offset, getField(buffer, Iovec, at, 'length'));
  });
}
