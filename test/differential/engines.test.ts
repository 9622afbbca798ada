/**
 * Both engines, the same bytes: whatever goes in, the native engine's output, descriptors, windows and counters equal
 * the reference's. A failing test names its seed; PEERTAP_SEED repeats it alone.
 *
 *   left  frames ─▶ classify … closeLink ─▶ datagrams ─▶ (as they are, or attacked) ─▶ openLink … coalesce  right
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  FrameKey,
  KIND_CONTROL,
  KIND_ECHO,
  LANE_SENDS,
  Lane,
  NONE,
  RxSender,
  Salt,
  Station,
  TOKEN_LOCAL,
  Token,
  TxDatagram,
} from '../../dataplane/shm/layout.ts';
import { ARENA, TABLE } from '../../dataplane/shm/memory-map.ts';
import { createPair, type FixtureNode, TOKEN } from '../harness/dataplane-fixture.ts';
import { addTrunk, forwardToken } from '../harness/relay-fixture.ts';
import { getField, setFields } from '../harness/table-writer.ts';
import { attack } from './attacks.ts';
import { type Seeded, seeded } from './seeded.ts';
import { forEachSeed, randomFrames, reached, restore, SEEDS, skip } from './seeded-pairs.ts';
import { advance } from './twin.ts';

/** Datagrams that left again. */
let passedOn = 0;

/** What the stages can refuse; a corpus that does not reach one of these no longer tests it. */
const EXPECTED = [
  'frame-short',
  'frame-oversize',
  'frame-offload-invalid',
  'no-trunk',
  'no-key',
  'destination-local',
  'salt-exhausted',
  'datagram-short',
  'datagram-version',
  'receiver-unknown',
  'lane-expired',
  'counter-limit',
  'link-replay',
  'link-too-old',
  'token-unknown',
  'kind-invalid',
  'hops-exceeded',
  'not-forwarding',
  'path-too-small',
  'lane-down',
  'sender-unknown',
  'frame-replay',
  'frame-before-announcement',
  'frame-forged',
  'source-is-local',
  'source-invalid',
  'source-claimed',
  'fragment-timeout',
];

forEachSeed('frames of every kind cross both engines alike', ({ left, right, macs }, random, carrier) => {
  for (let batch = 0; batch < 12; batch++) {
    const sent = left.egress(randomFrames(random, macs)).slice(0, 1000);
    right.ingress(batch % 3 === 2 ? sent.filter(() => !random.oneIn(8)) : sent, carrier);
    advance(right, random.below(400));
  }
});

forEachSeed('attacked datagrams are refused alike', ({ left, right, macs }, random, carrier) => {
  const recorded: Uint8Array[] = [];
  for (let batch = 0; batch < 12; batch++) {
    const sent = left.egress(randomFrames(random, macs)).slice(0, 500);
    recorded.push(...sent.slice(0, 20));
    if (random.oneIn(4)) left.change(leapCounters);
    right.ingress(attack(random, sent, recorded).slice(0, 1500), carrier);
  }
});

forEachSeed(
  'headers and senders that no honest engine writes are refused alike',
  ({ left, right, macs }, random, carrier) => {
    for (let batch = 0; batch < 8; batch++) {
      const sent = left.egress(randomFrames(random, macs), (node, count) => {
        const edits = seeded(batch);
        for (let index = 0; index < count; index++) if (edits.oneIn(3)) editDatagram(edits, node, index);
      });
      right.ingress(sent.slice(0, 1500), carrier);
    }
  },
);

/** Further than a window is long, so that what was recorded before is too old. */
function leapCounters(node: FixtureNode): void {
  const lane = TABLE.lanes + node.lane * Lane.size;
  const counter = getField(node.tables.buffer, Lane, lane, 'txCounterLow');
  setFields(node.tables.buffer, Lane, lane, { txCounterLow: counter + 10_000 });
}

/** Changes what is sealed: kinds, hops, flags, classes, tokens, counters. */
function editDatagram(random: Seeded, node: FixtureNode, index: number): void {
  const at = ARENA.txDatagrams + index * TxDatagram.size;
  const control = getField(node.arena.buffer, TxDatagram, at, 'control');
  const sender = TxDatagram.at.sender + at;
  const data = new DataView(node.arena.buffer);
  const edits: readonly (() => void)[] = [
    () => {
      data.setUint32(
        at + TxDatagram.at.control,
        (control & ~0xf) | random.pick([0, 2, KIND_CONTROL, KIND_ECHO, 6, 15]),
        true,
      );
    },
    () => {
      data.setUint32(at + TxDatagram.at.control, control & ~0xff00, true);
    },
    () => {
      data.setUint32(at + TxDatagram.at.control, control ^ (1 << random.below(24)), true);
    },
    () => {
      data.setUint32(sender + 4 * random.below(3), random.below(0xffff_ffff), true);
    },
    () => {
      data.setUint32(sender + 12, random.pick([0x1_0000, 0xffff, 0xffff_ffff, 1]), true);
    },
    () => {
      data.setUint8(at + TxDatagram.at.token + random.below(16), random.below(256));
    },
    () => {
      setFields(node.arena.buffer, TxDatagram, at, { frameKey: random.pick([0, 1, 16, 40_000]) });
    },
  ];
  random.pick(edits)();
}

forEachSeed(
  'tables that change under way change both engines alike',
  ({ left, right, macs }, random, carrier) => {
    for (let batch = 0; batch < 16; batch++) {
      const [onLeft, onRight] = [random.below(1e9), random.below(1e9)];
      left.change((node) => {
        restore(node);
        upset(seeded(onLeft), node);
      });
      right.change((node) => {
        restore(node);
        upset(seeded(onRight), node);
      });
      right.ingress(left.egress(randomFrames(random, macs)).slice(0, 1000), carrier);
      if (random.oneIn(4)) advance(right, random.pick([100, 60_000, 200_000]));
    }
  },
);

/** Changes slots as the main thread does, and worse: keys renewed, slots being written, things withdrawn. */
function upset(random: Seeded, node: FixtureNode): void {
  const { buffer } = node.tables;
  const lane = TABLE.lanes + node.lane * Lane.size;
  const counters = [0, 5, 0xff00, 0xffff_ff00, 0xffff_fffe];
  const changes: readonly (() => void)[] = [
    () => {
      setFields(buffer, FrameKey, TABLE.frameKeys, { key: random.bytes(32), keySerial: random.below(1e6) });
    },
    () => {
      setFields(buffer, FrameKey, TABLE.frameKeys + FrameKey.size, { version: random.below(4) });
    },
    () => {
      setFields(buffer, FrameKey, TABLE.frameKeys + 16 * FrameKey.size, { state: random.below(2) });
    },
    () => {
      setFields(buffer, Salt, TABLE.salts, {
        counter: random.pick(counters),
        worker: random.pick([0, 0, 0, 1]),
      });
    },
    () => {
      setFields(buffer, RxSender, TABLE.rxSenders + node.peerSender * RxSender.size, {
        firstCounter: random.pick(counters),
      });
    },
    () => {
      setFields(buffer, Station, TABLE.stations + node.peerStation * Station.size, {
        route: random.pick([1, 1, NONE, 1 | (7 << 16)]),
        trunk: random.pick([0, 0, NONE, 3]),
        member: random.pick([1, 1, 2]),
      });
    },
    () => {
      setFields(buffer, Station, TABLE.stations + node.ownStation * Station.size, {
        flags: random.pick([1, 5, 2]),
      });
    },
    () => {
      setFields(buffer, Lane, lane, {
        txCounterLow: random.below(0xffff_ffff),
        txCounterHigh: random.pick([0, 1, 255]),
      });
    },
    () => {
      setFields(buffer, Lane, lane, {
        state: random.pick([0, 1, 2, 2, 2]),
        version: random.pick([0, 2, 2, 3]),
      });
    },
    () => {
      setFields(buffer, Lane, lane, { rxOpened: random.pick([0, 2 ** 40 - 1, 2 ** 40]) });
    },
    () => {
      setFields(buffer, Token, TABLE.tokens, { flags: random.below(4) });
    },
  ];
  random.pick(changes)();
}

forEachSeed('datagrams for others leave both engines alike', ({ left, right, macs }, random, carrier) => {
  const others = [1, 2, 3].map((trunk) => ({ trunk, like: createPair().left }));
  for (let batch = 0; batch < 16; batch++) {
    const seed = random.below(1e9);
    right.change((node) => {
      const choose = seeded(seed);
      for (const { trunk, like } of others) {
        const datagramMtuBytes = choose.pick([1472, 1472, 65_507, 300, 0]);
        const state = choose.pick([LANE_SENDS, LANE_SENDS, LANE_SENDS, 1]);
        const lane = addTrunk(node, { trunk, like, carrier, datagramMtuBytes });
        setFields(node.tables.buffer, Lane, TABLE.lanes + lane * Lane.size, { state });
      }
      for (const [index, token] of [TOKEN.right, TOKEN.broadcast, TOKEN.control].entries()) {
        const trunks = [0, 1, 2, 3].filter(() => choose.oneIn(2));
        const ports = [0, 1, 2, 3].filter((trunk) => !choose.oneIn(trunk === 0 ? 8 : 2));
        forwardToken(node, token, { set: 10 + 2 * index, trunks, ports, flags: choose.below(4) });
      }
    });
    const sent = left.egress(randomFrames(random, macs), (node, count) => {
      const edits = seeded(seed);
      for (let index = 0; index < count; index++) {
        const at = ARENA.txDatagrams + index * TxDatagram.size;
        const control = getField(node.arena.buffer, TxDatagram, at, 'control');
        const hops = edits.pick([0, 1, 2, 16, 16, 16, 16]);
        setFields(node.arena.buffer, TxDatagram, at, { control: (control & ~0xff00) | (hops << 8) });
      }
    });
    right.ingress(random.oneIn(3) ? attack(random, sent, sent).slice(0, 1500) : sent.slice(0, 1500), carrier);
    passedOn += right.passedOn.length;
  }
});

forEachSeed('a batch by one call does what its stages do', ({ left, right, macs }, random, carrier) => {
  const other = { trunk: 1, like: createPair().left, carrier, datagramMtuBytes: 1472 };
  right.change((node) => {
    addTrunk(node, other);
    forwardToken(node, TOKEN.broadcast, { set: 10, trunks: [1], ports: [0], flags: TOKEN_LOCAL });
  });
  for (let batch = 0; batch < 8; batch++) {
    const sent = left.egress(randomFrames(random, macs));
    right.ingressAtOnce(
      random.oneIn(3) ? attack(random, sent, sent).slice(0, 1500) : sent.slice(0, 1500),
      carrier,
    );
  }
});

test('together they reach what the stages can refuse', { skip: skip || SEEDS.length === 1 }, () => {
  const missing = EXPECTED.filter((name) => !reached.has(name));
  assert.ok(passedOn > 1000, `${passedOn} were passed on`);
  assert.deepEqual(missing, [], `reached: ${[...reached].join(' ')}`);
});
