/** Behaviour of the insides of a node: whom a request means, what is refused, what is drawn, what is logged. */
import assert from 'node:assert/strict';
import { Writable } from 'node:stream';
import { test } from 'node:test';
import { pino } from 'pino';
import type { PingReply, TraceHop } from '../admin/inspection.ts';
import type { FabricSegmentStatus } from '../fabric/fabric-port.ts';
import { monotonicMs } from '../monotonic-clock.ts';
import type { TrunkStatus } from '../trunk/trunk-status.ts';
import { formatMac } from '../vlan/mac-text.ts';
import { type InspectedVlan, type InspectionParts, NodeInspection } from './node-inspection.ts';
import { SubsystemLog } from './subsystem-log.ts';

const SEGMENT = new Uint8Array(16).fill(0x1a);
const SEGMENT_TEXT = '1a'.repeat(16);
const TOKEN = new Uint8Array(16).fill(7);
const NEVER = new AbortController().signal;
const PING = { count: 2, intervalMs: 10, sizeBytes: 128, timeoutMs: 1000, findMtu: false };

/** Peers by name; each has one station. */
const MAC = { a: Uint8Array.of(2, 0, 0, 0, 0, 1), b: Uint8Array.of(2, 0, 0, 0, 0, 2) };

function trunk(changes: Partial<TrunkStatus>): TrunkStatus {
  return {
    peer: 'b',
    trunk: 1,
    state: 'up',
    carrier: 'udp',
    rttMs: 1.23456,
    lossRatio: 0.5,
    datagramMtuBytes: 1472,
    address: { ip: '2001:db8::1', port: 7947 },
    lanes: 1,
    generation: 1,
    cost: 12,
    isRelayed: false,
    roles: ['relay'],
    configured: false,
    lastError: undefined,
    ...changes,
  };
}

function logger(): { readonly log: SubsystemLog; readonly lines: Record<string, unknown>[] } {
  const lines: Record<string, unknown>[] = [];
  const sink = new Writable({
    write: (chunk: Buffer, _encoding, done) => {
      lines.push(JSON.parse(chunk.toString()) as Record<string, unknown>);
      done();
    },
  });
  return { log: new SubsystemLog(pino({ level: 'info' }, sink)), lines };
}

/** Two nodes in one VLAN, each with its own inspection; what is sent comes in at once. */
function pair(changes: Partial<InspectedVlan> = {}): { a: NodeInspection; b: NodeInspection } {
  const nodes: { a?: NodeInspection; b?: NodeInspection } = {};
  const node = (self: 'a' | 'b', other: 'a' | 'b'): NodeInspection => {
    const vlan: InspectedVlan = {
      interfaceName: 'ptap0',
      interfaceMac: MAC[self],
      members: () => [{ peer: other, macs: [MAC[other]] }],
      holderOf: (mac) => (formatMac(mac) === formatMac(MAC[other]) ? other : undefined),
      segments: () => [{ segment: SEGMENT_TEXT, epoch: 4, announcers: new Map([[other, 'aa']]) }],
      wayTo: () => ({ segmentId: SEGMENT, token: TOKEN, first: other }),
      sendEcho: (_mac, body) => {
        queueMicrotask(() => nodes[other]?.echoHeard('v', self, body));
        return true;
      },
      ...(self === 'a' ? changes : {}),
    };
    const parts: InspectionParts = {
      self,
      roles: [],
      vlan: (id) => (id === 'v' ? vlan : undefined),
      vlanNames: () => new Map([['v', 'home']]),
      trunks: () => [trunk({ peer: other })],
      segments: () => [],
      announcers: () => [],
      relayStatus: () => assert.fail('nobody asks'),
      traceWay: () => ({ isLocal: self === 'b', next: undefined }),
      isTraceShown: true,
      sendTrace: (_peer, bytes) => queueMicrotask(() => nodes[other]?.traceHeard(self, bytes)),
      openCapture: () => assert.fail('nobody captures'),
      log: logger().log,
      randomBytes: (count) => new Uint8Array(count).fill(self === 'a' ? 1 : 2),
      nowMs: monotonicMs,
    };
    return new NodeInspection(parts);
  };
  const a = node('a', 'b');
  const b = node('b', 'a');
  nodes.a = a;
  nodes.b = b;
  return { a, b };
}

test('a ping by PeerId or MAC is answered by the other node', async () => {
  const { a, b } = pair();
  for (const target of ['b', formatMac(MAC.b)]) {
    const replies: PingReply[] = [];
    const done = await a.ping({ vlan: 'v', target, ...PING }, (reply) => replies.push(reply), NEVER);
    assert.deepEqual([done.peer, done.mac, done.received], ['b', formatMac(MAC.b), 2]);
    assert.ok(replies.every(({ rttMs }) => rttMs !== null));
  }
  assert.equal(b.counters['echoQuestionsAnswered'], 4);
});

test('a ping is ended by its signal, and by the node that stops', async () => {
  const { a } = pair({ sendEcho: () => true });
  const ends = new AbortController();
  const running = a.ping({ vlan: 'v', target: 'b', ...PING, count: 0 }, () => undefined, ends.signal);
  ends.abort();
  assert.deepEqual([(await running).sent, (await running).received], [1, 0]);
  const other = a.ping({ vlan: 'v', target: 'b', ...PING, count: 0 }, () => undefined, NEVER);
  const gone = a.ping({ vlan: 'v', target: 'b', ...PING }, () => undefined, ends.signal);
  assert.equal((await gone).received, 0);
  a.stop();
  assert.equal((await other).received, 0);
});

test('a trace goes to the other node and says who it is', async () => {
  const { a } = pair();
  const hops: TraceHop[] = [];
  const done = await a.trace({ vlan: 'v', target: 'b', timeoutMs: 1000 }, (hop) => hops.push(hop), NEVER);
  assert.deepEqual([done.outcome, done.pathMtuBytes, done.mac], ['reached', 1472, formatMac(MAC.b)]);
  assert.deepEqual(
    hops.map(({ peer }) => peer),
    ['a', 'b'],
  );
  const { a: lost } = pair({ wayTo: () => undefined });
  assert.equal(
    (await lost.trace({ vlan: 'v', target: 'b', timeoutMs: 9 }, () => undefined, NEVER)).outcome,
    'no-route',
  );
});

test('what cannot be is refused with its reason', async () => {
  const ping = (node: NodeInspection, vlan: string, target: string) =>
    node.ping({ vlan, target, ...PING }, () => undefined, NEVER);
  const { a } = pair();
  await assert.rejects(ping(a, 'other', 'b'), { code: 'not-a-member' });
  await assert.rejects(ping(a, 'v', 'c'), { code: 'no-member' });
  await assert.rejects(ping(a, 'v', '02:00:00:00:00:09'), { code: 'no-member' });
  await assert.rejects(ping(pair({ members: () => [{ peer: 'b', macs: [] }] }).a, 'v', 'b'), {
    code: 'no-interface',
  });
  const bare = pair({ interfaceMac: undefined, interfaceName: undefined }).a;
  await assert.rejects(ping(bare, 'v', 'b'), { code: 'no-interface' });
  const sink = { write: () => true, drained: () => Promise.resolve() };
  const wanted = { vlan: 'v', count: 1, seconds: 1, snapBytes: 100 };
  await assert.rejects(bare.capture(wanted, sink, NEVER), { code: 'no-interface' });
});

const TREE: FabricSegmentStatus = {
  segment: SEGMENT_TEXT,
  isMember: true,
  isForeign: false,
  tokens: 3,
  root: { priority: '5e6f7081aabb', rank: 128, sequence: 1, isSelf: false },
  distance: 12,
  hops: 1,
  parent: 'b',
  ports: [{ peer: 'b', role: 'root', isForwarding: true, cost: 12, distance: 0, hops: 0 }],
};

test('a topology has own segments by name with who is behind a port, and foreign ones without', () => {
  const { log } = logger();
  const vlan: Partial<InspectedVlan> = {
    segments: () => [{ segment: SEGMENT_TEXT, epoch: 4, announcers: new Map([['c', 'cc']]) }],
  };
  const announcers = [
    { nonce: 'cc', peer: 'b', tokens: 1, pathMtuBytes: 1, hops: 1 },
    { nonce: 'dd', peer: 'b', tokens: 1, pathMtuBytes: 1, hops: 1 },
    { nonce: 'ee', peer: 'x', tokens: 1, pathMtuBytes: 1, hops: 1 },
  ];
  const foreign = {
    ...TREE,
    segment: '2b'.repeat(16),
    isMember: false,
    isForeign: true,
    root: undefined,
    distance: undefined,
  };
  const parts = {
    self: 'a',
    roles: ['relay'],
    vlan: () => vlan as InspectedVlan,
    vlanNames: () => new Map([['v', 'home']]),
    trunks: () => [
      trunk({ carrier: 'stream', isRelayed: true }),
      trunk({ peer: 'x', carrier: undefined, address: undefined, rttMs: undefined }),
    ],
    segments: () => [TREE, foreign],
    announcers: () => announcers,
    log,
  } as Partial<InspectionParts> as InspectionParts;
  const report = new NodeInspection(parts).topology();
  assert.deepEqual(report.trunks[0], {
    peer: 'b',
    state: 'up',
    carrier: 'circuit',
    address: '[2001:db8::1]:7947',
    rttMs: 1.235,
    lossRatio: 0.5,
    datagramMtuBytes: 1472,
    cost: 12,
    roles: ['relay'],
  });
  assert.deepEqual(
    [report.trunks[1]?.carrier, report.trunks[1]?.cost, report.trunks[1]?.lossRatio, report.trunks[1]?.rttMs],
    [null, null, null, null],
  );
  const [own, other] = report.segments;
  assert.deepEqual([own?.name, own?.epoch, own?.root, own?.distance], ['home', 4, '5e6f7081', 12]);
  assert.deepEqual(own?.ports, [
    { peer: 'b', role: 'root', forwarding: true, cost: 12, membersBehind: 2, peersBehind: ['c'] },
  ]);
  assert.deepEqual([other?.name, other?.epoch, other?.root], ['segment 2b2b2b2b', null, null]);
  assert.equal(other?.ports[0]?.peersBehind, null);
});

test('a subsystem says as much as its level allows, and the others what the config says', () => {
  const { log, lines } = logger();
  log.log('debug', 'tree', 'x', 'not said');
  log.log('info', 'tree', 'x', 'said', { peer: 'b' });
  assert.deepEqual(
    log.set({ tree: 'trace', trunk: 'silent' }).levels.filter(({ own }) => own),
    [
      { subsystem: 'trunk', level: 'silent', own: true },
      { subsystem: 'tree', level: 'trace', own: true },
    ],
  );
  log.log('debug', 'tree', 'y', 'said');
  log.log('error', 'trunk', 'y', 'not said');
  log.log('debug', 'tokens', 'y', 'not said');
  log.setDefault('debug');
  log.log('debug', 'tokens', 'z', 'said');
  log.set({ tree: 'default', trunk: 'default' });
  log.log('trace', 'tree', 'z', 'not said');
  log.log('debug', 'trunk', 'z', 'said');
  assert.deepEqual(
    lines.map(({ subsystem, code, msg }) => [subsystem, code, msg]),
    [
      ['tree', 'x', 'said'],
      ['tree', 'y', 'said'],
      ['tokens', 'z', 'said'],
      ['trunk', 'z', 'said'],
    ],
  );
  assert.equal(lines[0]?.['peer'], 'b');
  assert.equal(log.report().default, 'debug');
});

test('of an effect its names and numbers are said, and never bytes or what holds them', () => {
  const { log, lines } = logger();
  const effect = {
    kind: 'install-lane',
    trunk: 3,
    ports: ['b', 'c'],
    isLive: true,
    key: new Uint8Array(32).fill(9),
    rx: { k1: new Uint8Array(32) },
    lanes: [new Uint8Array(16)],
    tokens: ['0102'],
  };
  log.effect('trunk', effect);
  log.set({ trunk: 'debug' });
  log.effect('trunk', effect);
  assert.deepEqual(
    lines.map(({ code, msg, trunk, ports }) => [code, msg, trunk, ports]),
    [['install-lane', 'install-lane', 3, ['b', 'c']]],
  );
  const names = lines.flatMap((line) => Object.keys(line));
  assert.ok(!['key', 'rx', 'lanes', 'tokens'].some((name) => names.includes(name)), names.join(' '));
});
