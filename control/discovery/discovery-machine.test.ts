/** Behaviour of one discovery machine: what it asks, whom it wants, and how little it says when all is well. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bytesToHex } from '@noble/hashes/utils.js';
import { formatPeerId } from '../identity/peer-id.ts';
import { keyedHash } from '../vlan/hash.ts';
import type { DiscoveryConfig } from './discovery-config.ts';
import { DiscoveryMachine } from './discovery-machine.ts';
import type { DiscoveryEffect, DiscoveryInput, DiscoveryRow, DiscoveryVlan } from './discovery-port.ts';
import { openPresences, presenceKeyOf, readPresence, sealPresences, signPresence } from './presence.ts';

const VLAN = new Uint8Array(16).fill(1);
const VLAN_KEY = bytesToHex(VLAN);
const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const SELF = peerOf(0);

function keyOf(index: number): Uint8Array {
  const key = new Uint8Array(32).fill(7);
  new DataView(key.buffer).setUint32(0, index);
  return key;
}

function peerOf(index: number): string {
  return formatPeerId(keyOf(index));
}

function addressOf(index: number): string {
  return `/ip4/192.0.2.${index}/tcp/7946`;
}

function signAs(key: Uint8Array, bytes: Uint8Array): Uint8Array {
  const half = keyedHash(key, bytes);
  return Uint8Array.from([...half, ...half]);
}

/** A machine on virtual time; DHT and LAN answer that nobody is there. */
class Bench {
  readonly effects: DiscoveryEffect[] = [];
  readonly machine: DiscoveryMachine;
  nowMs = 1_000;
  ticks = 0;
  dhtNodes = 3;
  #drawn = 0;

  constructor(config: Partial<DiscoveryConfig> = {}) {
    this.machine = new DiscoveryMachine(
      {
        self: SELF,
        sign: (bytes) => signAs(keyOf(0), bytes),
        verify: (key, bytes, signature) => Buffer.compare(signAs(key, bytes), signature) === 0,
        randomBytes: (count) =>
          keyedHash(keyOf(99), Uint8Array.of(this.#drawn & 255, this.#drawn++ >> 8)).slice(0, count),
        unixOffsetMs: () => 1_790_000_000_000,
      },
      config,
    );
  }

  input(input: DiscoveryInput): void {
    for (const effect of this.machine.handle(input, this.nowMs)) {
      this.effects.push(effect);
      if (effect.kind === 'find-providers') {
        this.input({ kind: 'looked-up', vlan: effect.vlan, contacted: this.dhtNodes });
      } else if (effect.kind === 'provide') {
        this.input({ kind: 'provided', vlan: effect.vlan, stored: this.dhtNodes });
      }
    }
  }

  runFor(durationMs: number): void {
    const endMs = this.nowMs + durationMs;
    for (let atMs = this.machine.nextTimeoutMs(); atMs <= endMs; atMs = this.machine.nextTimeoutMs()) {
      assert.ok(this.ticks++ < 200_000, 'it turns in place');
      this.nowMs = Math.max(this.nowMs, atMs);
      this.input({ kind: 'tick' });
    }
    this.nowMs = endMs;
  }

  start(vlans: readonly DiscoveryVlan[] = [vlan()], isOnline = true): this {
    this.input({ kind: 'addresses', listen: isOnline ? [addressOf(200)] : [], isOnline });
    this.input({ kind: 'vlans', vlans });
    return this;
  }

  find(
    index: number,
    source: 'mdns' | 'dht' | 'invite' = 'dht',
    vlanKey: string | undefined = VLAN_KEY,
  ): void {
    const peers = [{ peer: peerOf(index), addresses: [addressOf(index)] }];
    this.input({ kind: 'found', source, vlan: vlanKey, peers });
  }

  trunk(index: number, vlans: readonly Uint8Array[] = [VLAN]): void {
    this.input({ kind: 'trunk-up', peer: peerOf(index), isRelay: false });
    this.input({ kind: 'shared', peer: peerOf(index), vlans });
  }

  wanted(): string[] {
    const last = this.effects.findLast((effect) => effect.kind === 'set-peers');
    return (last?.peers ?? []).map(({ peer }) => peer);
  }

  count(kind: DiscoveryEffect['kind']): number {
    return this.effects.filter((effect) => effect.kind === kind).length;
  }

  row(index: number): DiscoveryRow | undefined {
    return this.machine.status().find(({ peer }) => peer === peerOf(index));
  }

  codes(): string[] {
    return this.effects.flatMap((effect) => (effect.kind === 'notice' ? effect.code : []));
  }
}

function vlan(more: Partial<DiscoveryVlan> = {}): DiscoveryVlan {
  return { id: VLAN, presenceKeys: [presenceKeyOf(VLAN)], members: undefined, segments: [], ...more };
}

function presenceOf(index: number, sequence: number): Uint8Array {
  const presence = {
    peer: peerOf(index),
    sequence,
    roles: 1,
    load: 0,
    addresses: [addressOf(index)],
    segments: [],
  };
  return signPresence(presence, VLAN, (bytes) => signAs(keyOf(index), bytes)).bytes;
}

function sealed(...presences: Uint8Array[]): Uint8Array {
  return sealPresences(presences, presenceKeyOf(VLAN), new Uint8Array(12));
}

function said(bench: Bench, index: number): { readonly peer: string; readonly sequence: number }[] {
  return bench.effects.flatMap((effect) => {
    if (effect.kind !== 'say' || effect.peer !== peerOf(index)) return [];
    return (openPresences(effect.bytes, [presenceKeyOf(VLAN)]) ?? []).flatMap(
      (bytes) => readPresence(bytes)?.presence ?? [],
    );
  });
}

test('with a member at hand hardly anything is asked or said in an hour', () => {
  const bench = new Bench().start();
  bench.find(1);
  bench.trunk(1);
  bench.input({ kind: 'neighbour-up', vlan: VLAN_KEY, peer: peerOf(1) });
  bench.runFor(MINUTE_MS);
  bench.effects.length = 0;
  bench.runFor(HOUR_MS);
  assert.ok(bench.count('find-providers') <= 2, `${bench.count('find-providers')} lookups`);
  assert.ok(bench.count('provide') <= 2, `${bench.count('provide')} records`);
  assert.ok(bench.count('mdns-ask') <= 6, `${bench.count('mdns-ask')} questions to the LAN`);
  assert.ok(bench.count('say') <= 3, `${bench.count('say')} presences`);
  assert.equal(bench.count('heartbeat'), 0);
});

test('a lonely member asks often at first, then ever more seldom, and often again when it has lost the last one', () => {
  const bench = new Bench().start();
  bench.runFor(MINUTE_MS);
  const [lookups, asks] = [bench.count('find-providers'), bench.count('mdns-ask')];
  assert.ok(lookups >= 3 && lookups <= 6, `${lookups} lookups`);
  assert.ok(asks >= 3 && asks <= 6, `${asks} questions`);
  bench.runFor(HOUR_MS);
  assert.ok(bench.count('find-providers') - lookups <= 20, `${bench.count('find-providers')} lookups`);

  bench.find(1);
  bench.trunk(1);
  bench.runFor(2 * HOUR_MS);
  bench.effects.length = 0;
  bench.input({ kind: 'trunk-down', peer: peerOf(1) });
  bench.runFor(MINUTE_MS);
  assert.ok(bench.count('find-providers') >= 3, `${bench.count('find-providers')} lookups`);
});

test('without a DHT to ask it tries again, and does not turn in place', () => {
  const bench = new Bench();
  bench.dhtNodes = 0;
  bench.start().runFor(10 * MINUTE_MS);
  const lookups = bench.count('find-providers');
  assert.ok(lookups >= 20 && lookups <= 60, `${lookups} lookups`);
  bench.effects.length = 0;
  bench.dhtNodes = 3;
  bench.trunk(5, []);
  bench.runFor(4_000);
  assert.ok(
    bench.count('find-providers') >= 1 && bench.count('provide') >= 1,
    'its first node is used at once',
  );
});

test('switched off, neither DHT nor LAN is asked', () => {
  const bench = new Bench({ mdns: false, dht: false }).start();
  bench.runFor(HOUR_MS);
  assert.deepEqual(
    bench.effects.filter(({ kind }) => kind !== 'say' && kind !== 'set-peers'),
    [],
  );
});

test('without a network it waits, says so once, and says when it is back', () => {
  const bench = new Bench().start([vlan()], false);
  bench.runFor(HOUR_MS);
  assert.deepEqual(bench.codes(), ['no-network']);
  assert.equal(bench.count('find-providers') + bench.count('mdns-ask') + bench.count('mdns'), 0);
  assert.ok(bench.ticks < 10, `${bench.ticks} ticks`);
  bench.input({ kind: 'addresses', listen: [addressOf(200)], isOnline: true });
  bench.runFor(10_000);
  assert.deepEqual(bench.codes(), ['no-network', 'network-back']);
  assert.ok(bench.count('find-providers') > 0 && bench.count('mdns-ask') > 0);
});

test('a network that flaps is not worth a line', () => {
  const bench = new Bench().start();
  for (let count = 0; count < 20; count++) {
    bench.input({ kind: 'addresses', listen: [], isOnline: false });
    bench.runFor(1_000);
    bench.input({ kind: 'addresses', listen: [addressOf(200)], isOnline: true });
    bench.runFor(1_000);
  }
  assert.deepEqual(bench.codes(), []);
});

test('configured peers come first, whatever they share, and nobody beyond the limit', () => {
  const bench = new Bench({ connectionLimit: 8, trialsMax: 100 }).start();
  const named = [1, 2].map((index) => ({ peer: peerOf(index), addresses: [addressOf(index)] }));
  bench.input({ kind: 'configured', peers: named, unnamed: ['/ip4/192.0.2.99/tcp/1'] });
  for (let index = 10; index < 60; index++) bench.find(index);
  bench.runFor(MINUTE_MS);
  const wanted = bench.wanted();
  assert.ok(wanted.includes(peerOf(1)) && wanted.includes(peerOf(2)));
  assert.equal(wanted.length, 5, 'three quarters of eight, less the unnamed one');
  bench.input({ kind: 'configured', peers: [], unnamed: [] });
  bench.runFor(MINUTE_MS);
  assert.equal(bench.wanted().includes(peerOf(1)), false);
});

test('of those who have not been tried, only a few are tried at a time', () => {
  const bench = new Bench().start();
  for (let index = 1; index < 60; index++) bench.find(index);
  bench.runFor(1_000);
  assert.equal(bench.wanted().length, 8);
  bench.runFor(30_000);
  assert.equal(bench.wanted().length, 8, 'others have their turn');
  assert.ok(bench.machine.status().filter(({ failures }) => failures > 0).length >= 8);
});

test('a peer that shares no VLAN is let go, and tried again when there is a new one', () => {
  const bench = new Bench().start();
  bench.find(1, 'mdns', undefined);
  bench.runFor(1_000);
  assert.deepEqual(bench.wanted(), [peerOf(1)]);
  bench.trunk(1, []);
  bench.runFor(20_000);
  assert.deepEqual(bench.wanted(), []);
  const other = new Uint8Array(16).fill(3);
  bench.input({ kind: 'vlans', vlans: [vlan(), vlan({ id: other })] });
  bench.runFor(1_000);
  assert.deepEqual(bench.wanted(), [peerOf(1)]);
});

test('members for whom there is no place are warm, and asked once a minute; those who are silent, more seldom', () => {
  const bench = new Bench({ connectionLimit: 4 }).start();
  for (let index = 1; index <= 3; index++) {
    bench.find(index);
    bench.trunk(index);
  }
  bench.find(4);
  bench.find(5);
  bench.runFor(3_000);
  assert.deepEqual(
    [4, 5].map((index) => bench.row(index)?.standing),
    ['warm', 'warm'],
  );
  const asked = (index: number): number =>
    bench.effects.filter((effect) => effect.kind === 'heartbeat' && effect.peer === peerOf(index)).length;
  bench.input({ kind: 'heartbeat-answered', peer: peerOf(4), rttMs: 10, load: 3 });
  bench.input({ kind: 'heartbeat-failed', peer: peerOf(5) });
  for (let step = 0; step < 600; step++) {
    const before = asked(4);
    const beforeSilent = asked(5);
    bench.runFor(1_000);
    if (asked(4) > before) bench.input({ kind: 'heartbeat-answered', peer: peerOf(4), rttMs: 10, load: 3 });
    if (asked(5) > beforeSilent) bench.input({ kind: 'heartbeat-failed', peer: peerOf(5) });
  }
  assert.ok(asked(4) >= 9 && asked(4) <= 12, `${asked(4)} questions`);
  assert.ok(asked(5) <= 5, `${asked(5)} questions`);
  assert.equal(bench.machine.counters().get('discoveryHeartbeatsFailed'), asked(5));
});

test('a full peer gives its place to a much better one only after a while', () => {
  const bench = new Bench({ connectionLimit: 4 }).start();
  for (let index = 1; index <= 3; index++) {
    bench.find(index);
    bench.trunk(index);
  }
  bench.runFor(5_000);
  bench.input({ kind: 'path', peer: peerOf(2), rttMs: 900, lossRatio: 0.9 });
  bench.find(4);
  bench.input({ kind: 'neighbour-up', vlan: VLAN_KEY, peer: peerOf(1) });
  bench.input({ kind: 'heard', vlan: VLAN_KEY, peer: peerOf(1), bytes: sealed(presenceOf(4, 9)) });
  bench.runFor(4 * MINUTE_MS);
  assert.ok(bench.wanted().includes(peerOf(2)), 'not before its tenure is over');
  bench.effects.length = 0;
  bench.runFor(3 * MINUTE_MS);
  const [swapped] = bench.effects.flatMap((effect) =>
    effect.kind === 'set-peers' ? [effect.peers.map(({ peer }) => peer)] : [],
  );
  assert.deepEqual(swapped?.sort(), [1, 3, 4].map(peerOf).sort());
});

test('what a neighbour says is said on to the others once, and not back to it', () => {
  const bench = new Bench().start();
  for (const index of [1, 2]) {
    bench.trunk(index);
    bench.input({ kind: 'neighbour-up', vlan: VLAN_KEY, peer: peerOf(index) });
  }
  bench.runFor(2_000);
  bench.effects.length = 0;
  for (let count = 0; count < 3; count++) {
    bench.input({ kind: 'heard', vlan: VLAN_KEY, peer: peerOf(1), bytes: sealed(presenceOf(3, 7)) });
    bench.runFor(2_000);
  }
  assert.deepEqual(
    said(bench, 2).map(({ peer }) => peer),
    [peerOf(3)],
  );
  assert.deepEqual(said(bench, 1), []);
  assert.deepEqual(bench.row(3)?.sources, ['presence']);
  assert.equal(bench.machine.counters().get('presenceOld'), 2);
});

test('in a private VLAN nobody outside the roster is present, and without an epoch nothing is said', () => {
  const bench = new Bench().start([vlan({ members: new Set([SELF, peerOf(1)]), presenceKeys: [] })]);
  bench.trunk(1);
  bench.input({ kind: 'neighbour-up', vlan: VLAN_KEY, peer: peerOf(1) });
  bench.runFor(MINUTE_MS);
  assert.equal(bench.count('say'), 0);
  bench.input({ kind: 'vlans', vlans: [vlan({ members: new Set([SELF, peerOf(1)]) })] });
  bench.runFor(5_000);
  assert.equal(said(bench, 1)[0]?.peer, SELF);
  bench.input({
    kind: 'heard',
    vlan: VLAN_KEY,
    peer: peerOf(1),
    bytes: sealed(presenceOf(2, 7), presenceOf(1, 7)),
  });
  assert.equal(bench.row(2), undefined);
  assert.equal(bench.machine.counters().get('presenceStrangers'), 1);
  assert.ok(bench.row(1)?.sources.includes('presence'));
});

test('a node whose clock was set back is heard again: it outbids its own word from before', () => {
  const bench = new Bench().start();
  bench.trunk(1);
  bench.input({ kind: 'neighbour-up', vlan: VLAN_KEY, peer: peerOf(1) });
  bench.runFor(2_000);
  const future = 1_999_000_000_000;
  bench.input({ kind: 'heard', vlan: VLAN_KEY, peer: peerOf(1), bytes: sealed(presenceOf(0, future)) });
  bench.runFor(2_000);
  assert.equal(said(bench, 1).at(-1)?.sequence, future + 1);
});

test('a flood of presences by one neighbour is verified no faster than its budget', () => {
  const bench = new Bench({ presenceBurst: 20, presencesPerSecond: 1 }).start();
  bench.trunk(1);
  bench.input({ kind: 'neighbour-up', vlan: VLAN_KEY, peer: peerOf(1) });
  for (let index = 10; index < 110; index++) {
    bench.input({ kind: 'heard', vlan: VLAN_KEY, peer: peerOf(1), bytes: sealed(presenceOf(index, 7)) });
  }
  assert.equal(bench.machine.sizes().candidates, 21);
  assert.equal(bench.machine.counters().get('presenceRefused'), 80);
});

test('after its end it asks and wants nothing', () => {
  const bench = new Bench().start();
  bench.input({ kind: 'stop' });
  bench.effects.length = 0;
  bench.find(1);
  bench.runFor(HOUR_MS);
  assert.deepEqual(bench.effects, []);
});
