/** Whom discovery keeps because of what the fabric knows. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bytesToHex } from '@noble/hashes/utils.js';
import { formatPeerId } from '../identity/peer-id.ts';
import { DiscoveryMachine } from './discovery-machine.ts';
import type { DiscoveryInput } from './discovery-port.ts';

const VLAN = new Uint8Array(16).fill(1);
const VLAN_KEY = bytesToHex(VLAN);

function peerOf(index: number): string {
  return formatPeerId(new Uint8Array(32).fill(index + 1));
}

/** A machine in one VLAN on virtual time, without DHT and LAN. */
class Bench {
  readonly #machine: DiscoveryMachine;
  #nowMs = 1_000;
  wanted: readonly string[] = [];

  constructor() {
    const ports = {
      self: peerOf(0),
      sign: () => new Uint8Array(64),
      verify: () => false,
      randomBytes: (count: number) => new Uint8Array(count).fill(9),
      unixOffsetMs: () => 1_790_000_000_000,
    };
    this.#machine = new DiscoveryMachine(ports, { mdns: false, dht: false });
    this.input({ kind: 'addresses', listen: ['/ip4/192.0.2.200/tcp/7946'], isOnline: true });
    this.input({
      kind: 'vlans',
      vlans: [{ id: VLAN, presenceKeys: [new Uint8Array(32)], members: undefined, segments: [] }],
    });
  }

  input(input: DiscoveryInput): void {
    for (const effect of this.#machine.handle(input, this.#nowMs)) {
      if (effect.kind === 'set-peers') this.wanted = effect.peers.map(({ peer }) => peer);
    }
  }

  runFor(durationMs: number): void {
    const endMs = this.#nowMs + durationMs;
    for (let atMs = this.#machine.nextTimeoutMs(); atMs <= endMs; atMs = this.#machine.nextTimeoutMs()) {
      this.#nowMs = Math.max(this.#nowMs, atMs);
      this.input({ kind: 'tick' });
    }
    this.#nowMs = endMs;
  }
}

test('a member that the fabric knows is tried through a relay, and left when the fabric says that it is gone', () => {
  const bench = new Bench();
  bench.input({ kind: 'members', vlan: VLAN_KEY, peers: [peerOf(5)] });
  bench.runFor(1_000);
  assert.equal(bench.wanted.length, 0, 'nobody knows a way to it');
  bench.input({ kind: 'trunk-up', peer: peerOf(6), isRelay: true });
  bench.runFor(3_000);
  assert.ok(bench.wanted.includes(peerOf(5)));
  bench.input({ kind: 'members', vlan: VLAN_KEY, peers: [] });
  bench.runFor(3_000);
  assert.ok(!bench.wanted.includes(peerOf(5)));
  bench.input({ kind: 'members', vlan: 'ff'.repeat(16), peers: [peerOf(7)] });
  bench.runFor(3_000);
  assert.ok(!bench.wanted.includes(peerOf(7)), 'a VLAN that this node is not in');
});

test('a peer by which the fabric forwards is kept though it shares nothing', () => {
  const bench = new Bench();
  bench.input({ kind: 'trunk-up', peer: peerOf(1), isRelay: true });
  bench.input({ kind: 'tree-peers', peers: [peerOf(1)] });
  bench.runFor(60_000);
  assert.ok(bench.wanted.includes(peerOf(1)));
  bench.input({ kind: 'tree-peers', peers: [] });
  bench.runFor(60_000);
  assert.ok(!bench.wanted.includes(peerOf(1)), 'now it is a stranger');
});
