/**
 * Epochs and periods under both engines: the same tokens, the same bytes. A failing test names its seed; PEERTAP_SEED
 * repeats it alone.
 */
import assert from 'node:assert/strict';
import { Epoch, NONE, Station, TxDatagram } from '../../dataplane/shm/layout.ts';
import { ARENA, TABLE } from '../../dataplane/shm/memory-map.ts';
import { type FixtureNode, PERIOD } from '../harness/dataplane-fixture.ts';
import { moveUnicastAhead } from '../harness/epoch-fixture.ts';
import { setFields, writeEpoch, writeVlan } from '../harness/table-writer.ts';
import { type Seeded, seeded } from './seeded.ts';
import { forEachSeed, randomFrames, restore } from './seeded-pairs.ts';

/** Epochs 0 … 3, of which a station's may be another than the VLAN's; periods pass, and slots get other epochs. */
function turnEpochs(random: Seeded, node: FixtureNode): void {
  const { tables } = node;
  const epoch = random.below(4);
  writeEpoch(tables, epoch, {
    vlan: 0,
    cipher: 1,
    segment: random.bytes(16),
    tokenKey: random.bytes(32),
    maskKey: random.bytes(32),
    period: random.pick([PERIOD, PERIOD + 1, 0, 0xffff_ffff]),
    serial: random.oneIn(8) ? 0 : 1 + random.below(0xffff_fffe),
    groupKeys: [0, ...new Array<number>(15).fill(NONE)],
    version: random.pick([0, 2, 2, 2, 3]),
    state: random.pick([0, 1, 1, 1]),
  });
  writeVlan(tables, 0, { txEpoch: random.below(4) });
  setFields(tables.buffer, Epoch, TABLE.epochs + random.below(4) * Epoch.size, { period: random.below(1e6) });
  const station = TABLE.stations + node.peerStation * Station.size;
  setFields(tables.buffer, Station, station, { route: (random.below(4) << 16) | 1 });
}

forEachSeed('every epoch and period yields the same tokens in both engines', ({ left, macs }, random) => {
  const tokens = new Set<string>();
  for (let batch = 0; batch < 32; batch++) {
    const seed = random.below(1e9);
    left.change((node) => {
      restore(node);
      turnEpochs(seeded(seed), node);
    });
    left.egress(randomFrames(random, macs), (node, count) => {
      for (let index = 0; index < count; index++) {
        const at = ARENA.txDatagrams + index * TxDatagram.size + TxDatagram.at.token;
        tokens.add(Buffer.from(node.arena.buffer, at, 16).toString('hex'));
      }
    });
  }
  assert.ok(tokens.size > 4, `${tokens.size} tokens`);
});

forEachSeed(
  'unicast under a later epoch than floods crosses both engines alike',
  ({ left, right, macs }, random, carrier) => {
    moveUnicastAhead({ left: left.reference.node, right: right.reference.node });
    moveUnicastAhead({ left: left.native.node, right: right.native.node });
    let written = 0;
    for (let batch = 0; batch < 8; batch++) {
      const sent = left.egress(randomFrames(random, macs)).slice(0, 1000);
      written += right.ingress(sent, carrier);
    }
    assert.ok(written > 0);
  },
);
