/** Behaviour of the small parts of a VLAN's link: interface address, neighbours, sending period, totals, endpoints. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { DROP, DROP_CODES } from '../../dataplane/base/drop-code.ts';
import { countDrop, createArena } from '../../dataplane/shm/arena.ts';
import { utcDay } from '../vlan/open-epoch.ts';
import { totalCounters } from './dataplane-counters.ts';
import { addressText, decodeEndpoint, encodeEndpoint, SourceMemory } from './endpoint.ts';
import { Neighbours } from './neighbours.ts';
import { interfaceMac, parseAddress } from './tap-link.ts';
import { sendingPeriod } from './vlan-tokens.ts';

test("an interface's address is local, no group address, the same each time, another in each VLAN", () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ minLength: 32, maxLength: 32 }),
      fc.uint8Array({ minLength: 16, maxLength: 16 }),
      (secret, id) => {
        const mac = interfaceMac(secret, id);
        const other = interfaceMac(
          secret,
          id.map((byte) => byte ^ 1),
        );

        assert.equal((mac[0] ?? 0) & 3, 2);
        assert.deepEqual(interfaceMac(secret, id), mac);
        assert.notDeepEqual(other, mac);
      },
    ),
  );
});

test('an address is read with its prefix', () => {
  assert.deepEqual(parseAddress('10.7.0.1/24'), { ip: '10.7.0.1', prefixBits: 24 });
  assert.deepEqual(parseAddress('fd00::1/64'), { ip: 'fd00::1', prefixBits: 64 });
});

test('neighbours change by what a peer shares now, and a new one is told apart', () => {
  const neighbours = new Neighbours();
  assert.deepEqual(neighbours.setShared('p', ['one', 'two']), [
    { vlan: 'one', peers: ['p'], grown: true },
    { vlan: 'two', peers: ['p'], grown: true },
  ]);
  assert.deepEqual(neighbours.setShared('p', ['two']), [{ vlan: 'one', peers: [], grown: false }]);
  assert.deepEqual(neighbours.setShared('p', ['two']), []);
  assert.deepEqual(neighbours.sharedWith('p'), ['two']);
  const trunk = { slot: 4, carrier: undefined, datagramMtuBytes: 0 };
  neighbours.setTrunk('p', trunk);
  assert.equal(neighbours.trunkOf('p'), trunk);
  neighbours.setTrunk('p', undefined);
  assert.equal(neighbours.trunkOf('p'), undefined);
});

test('an epoch is sealed under in periods of its own day only', () => {
  const noon = Date.UTC(2026, 10, 21, 12);
  const today = utcDay(noon);

  assert.equal(sendingPeriod(today, noon, 3_600), today * 24 + 12);
  assert.equal(sendingPeriod(today + 1, noon, 3_600), (today + 1) * 24);
  assert.equal(sendingPeriod(today - 1, noon, 3_600), today * 24 - 1);
});

test('totals add up all workers and the main thread, zeros included', () => {
  const arenas = [createArena(0), createArena(1)];
  for (const arena of arenas) countDrop(arena, DROP['frame-forged']);
  const main = new Float64Array(DROP_CODES.length);
  main[DROP['frame-forged']] = 5;
  const { drops, counters } = totalCounters(arenas, main);

  assert.equal(drops['frame-forged'], 7);
  assert.equal(drops['lane-down'], 0);
  assert.ok(!('none' in drops));
  assert.equal(counters['framesSealed'], 0);
});

test('an endpoint survives, IPv4 on either kind of socket, and none stands for the lane', () => {
  const local = Uint8Array.of(10, 0, 0, 1);
  for (const ipv6 of [false, true]) {
    const endpoint = encodeEndpoint({ ip: '192.0.2.7', port: 7_947 }, local, ipv6);
    assert.ok(endpoint);
    assert.deepEqual(decodeEndpoint(endpoint, 0).source, { ip: '192.0.2.7', port: 7_947 });
    assert.deepEqual(decodeEndpoint(endpoint, 0).local.subarray(0, 4), local);
  }
  assert.equal(encodeEndpoint({ ip: 'fd00::1', port: 1 }, undefined, false), undefined);
  const own = encodeEndpoint(undefined, undefined, false);
  assert.ok(own);
  assert.ok(own.every((byte) => byte === 0));
  assert.equal(decodeEndpoint(own, 0).source, undefined);
});

test('only the last few addresses of a peer are remembered', () => {
  const memory = new SourceMemory();
  const address = (port: number): { ip: string; port: number } => ({ ip: '192.0.2.1', port });
  for (let port = 1; port <= 20; port++) memory.remember(address(port), Uint8Array.of(port));

  assert.deepEqual(memory.find(addressText(address(20))), Uint8Array.of(20));
  assert.equal(memory.find(addressText(address(1))).length, 0);
});

test('a local address that the node has no more is forgotten, others stay', () => {
  const memory = new SourceMemory();
  const [four, six, gone] = [
    { ip: '192.0.2.1', port: 1 },
    { ip: '2001:db8::1', port: 1 },
    { ip: '192.0.2.2', port: 1 },
  ];
  const padded = (...bytes: number[]): Uint8Array => {
    const local = new Uint8Array(16);
    local.set(bytes);
    return local;
  };
  const ipv6 = Uint8Array.of(0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9);
  memory.remember(four, padded(10, 0, 0, 1));
  memory.remember(six, ipv6);
  memory.remember(gone, padded(10, 0, 0, 2));
  memory.keepOnly(new Set(['10.0.0.1', '2001:db8::9']));

  assert.deepEqual(memory.find(addressText(four)), padded(10, 0, 0, 1));
  assert.deepEqual(memory.find(addressText(six)), ipv6);
  assert.equal(memory.find(addressText(gone)).length, 0);
});
