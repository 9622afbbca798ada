/**
 * A node with two real workers of which only one has a lane: what the other reads from its TAP queue goes over to it.
 *
 *   test ── TAP queue ── left worker 1 ── hand-off ring ── left worker 0 ── UDP ── right worker ── test
 */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { bytesOf, createPair, type FixtureNode, KEY_SLOT } from '../../test/harness/dataplane-fixture.ts';
import { ethernetFrame, filler } from '../../test/harness/frame-builder.ts';
import { insertRxSender, setFields, writeFrameKey, writeSalt } from '../../test/harness/table-writer.ts';
import { COUNTER } from '../base/counter.ts';
import type { EngineName } from '../contract/engine.ts';
import { nativeAvailability } from '../native/load.ts';
import { createArena } from '../shm/arena.ts';
import { CIPHER_AES_256_GCM, Epoch, NONE, TablesHeader } from '../shm/layout.ts';
import { COUNTER_BASE, TABLE } from '../shm/memory-map.ts';
import { LoopbackNode } from './loopback.fixture.ts';

const WORKER = 1;
const LEAF_LANE = 0xa1 | (WORKER << 24);
const SALT = { saltLow: 0x0102_0304, saltHigh: 0x0506 };
const GROUP_KEY = 32;
const COUNT = 200;

/** Gives the left node a second worker with keys and a salt of its own, which the right node knows. */
function addWorker(left: FixtureNode, right: FixtureNode): void {
  left.tables.u32[TablesHeader.at.workerCount >> 2] = 2;
  writeSalt(left.tables, 1, { worker: WORKER, leafLane: LEAF_LANE, ...SALT });
  const groupKeys = [KEY_SLOT.txGroup, GROUP_KEY, ...new Array<number>(14).fill(NONE)];
  setFields(left.tables.buffer, Epoch, TABLE.epochs, { groupKeys });
  for (const [slot, use] of [
    [KEY_SLOT.txPair + WORKER, 'pair'],
    [GROUP_KEY, 'group'],
  ] as const) {
    const key = bytesOf(`left worker 1 ${use} key`, 32);
    writeFrameKey(left.tables, slot, { cipher: CIPHER_AES_256_GCM, salt: 1, keySerial: 40 + slot, key });
    writeFrameKey(right.tables, 40 + slot, {
      cipher: CIPHER_AES_256_GCM,
      salt: NONE,
      keySerial: 40 + slot,
      key,
    });
  }
  insertRxSender(
    right.tables,
    { epoch: 0, leafLane: LEAF_LANE, ...SALT },
    { groupKey: 40 + GROUP_KEY, pairKey: 40 + KEY_SLOT.txPair + WORKER, firstCounter: 0, member: 1 },
  );
}

function suite(engine: EngineName): void {
  test('frames of a worker without a lane leave by the one that has it, whole and in order', async () => {
    const pair = createPair({ datagramMtuBytes: 1400 });
    addWorker(pair.left, pair.right);
    const left = new LoopbackNode(pair.left, engine, createArena(WORKER));
    const right = new LoopbackNode(pair.right, engine);
    left.connect(right);
    right.connect(left);
    try {
      await Promise.all([left.supervisor.start(), right.supervisor.start()]);
      for (let i = 0; i < COUNT; i++) {
        const destination = i % 5 === 0 ? new Uint8Array(6).fill(0xff) : right.fixture.mac;
        const frame = ethernetFrame(0x88b5, filler(50 + i * 7, i), { destination, source: left.fixture.mac });
        assert.ok(left.write(frame));
        assert.deepEqual(await right.next(), frame);
      }
      assert.ok((left.arenas[WORKER]?.counters[COUNTER_BASE + COUNTER.handoffs] ?? 0) >= COUNT);
    } finally {
      assert.deepEqual(await Promise.all([left.close(), right.close()]), [true, true]);
    }
  });
}

const native = nativeAvailability();
for (const engine of ['typescript', 'native'] as const) {
  const skip = engine === 'native' && !native.ok ? native.reason : false;
  describe(`hand-off with the ${engine} engine`, { skip }, () => {
    suite(engine);
  });
}
