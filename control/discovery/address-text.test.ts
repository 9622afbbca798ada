/** Behaviour of addresses that others name. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { isLoopbackAddress, usableAddress, usableAddresses } from './address-text.ts';

const PEER = `12D3KooW${'a'.repeat(44)}`;
const NO_LOOPBACK = { loopback: false };

test('what can be dialled is taken, its peer left out', () => {
  for (const address of [
    '/ip4/192.0.2.1/tcp/7946',
    '/ip4/10.1.2.3/tcp/7946/ws',
    '/ip6/2001:db8::1/udp/7946/quic-v1',
    '/dns4/node.example.org/tcp/443/ws',
  ]) {
    assert.equal(usableAddress(address, PEER, NO_LOOPBACK), address);
    assert.equal(usableAddress(`${address}/p2p/${PEER}`, PEER, NO_LOOPBACK), address);
  }
});

test('what leads nowhere, to another, or where it must not is left', () => {
  for (const address of [
    '',
    '/',
    'ip4/192.0.2.1/tcp/7946',
    '/ip4/192.0.2.1/tcp/0',
    '/ip4/192.0.2.1/tcp/70000',
    '/ip4/192.0.2.1/udp/7946',
    '/ip4/999.0.2.1/tcp/7946',
    '/ip4/0.0.0.0/tcp/7946',
    '/ip4/0.1.2.3/tcp/7946',
    '/ip4/224.0.0.251/tcp/5353',
    '/ip4/255.255.255.255/tcp/5353',
    '/ip4/169.254.1.1/tcp/7946',
    '/ip4/127.0.0.1/tcp/7946',
    '/ip4/2001:db8::1/tcp/7946',
    '/ip6/192.0.2.1/tcp/7946',
    '/ip6/::/tcp/7946',
    '/ip6/::1/tcp/7946',
    '/ip6/::ffff:127.0.0.1/tcp/7946',
    '/ip6/fe80::1/tcp/7946',
    '/ip6/ff02::1/tcp/7946',
    '/ip4/192.0.2.1/tcp/7946/p2p/12D3KooWanother',
    `/ip4/192.0.2.1/tcp/7946/p2p/${PEER}/p2p-circuit`,
    `/dns4/${'a'.repeat(300)}/tcp/1`,
  ]) {
    assert.equal(usableAddress(address, PEER, NO_LOOPBACK), undefined, address);
  }
});

test('loopback counts for nodes that have nothing else', () => {
  assert.equal(usableAddress('/ip4/127.0.0.1/tcp/1', PEER, { loopback: true }), '/ip4/127.0.0.1/tcp/1');
  assert.ok(isLoopbackAddress('/ip4/127.0.0.1/tcp/1') && isLoopbackAddress('/ip6/::1/tcp/1'));
  assert.equal(isLoopbackAddress('/ip4/192.0.2.1/tcp/1'), false);
});

test('no text makes it throw, and of many addresses a few are taken', () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 400 }), (text) => {
      usableAddress(text, PEER, { loopback: true });
      usableAddress(`/ip6/${text}/tcp/1`, PEER, { loopback: true });
    }),
  );
  const many = Array.from({ length: 1_000 }, (_, index) => `/ip4/192.0.2.1/tcp/${index + 1}`);
  assert.equal(usableAddresses(many, PEER, NO_LOOPBACK).length, 8);
});

test('circuits are taken through a relay that can be dialled or is known by name, and lead to the peer alone', () => {
  const relay = '12D3KooWBvKQGA9cfRhFTdWrZYp4zzRZ1bJYFsPa3HrGYkoHLiV2';
  const open = { loopback: false };
  const way = `/ip4/192.0.2.1/tcp/7946/p2p/${relay}/p2p-circuit`;
  assert.equal(usableAddress(way, PEER, open), way);
  assert.equal(usableAddress(`${way}/p2p/${PEER}`, PEER, open), way);
  assert.equal(usableAddress(`/p2p/${relay}/p2p-circuit`, PEER, open), `/p2p/${relay}/p2p-circuit`);
  for (const text of [
    `${way}/p2p/${relay}`,
    `/p2p/${PEER}/p2p-circuit`,
    `/ip4/127.0.0.1/tcp/7946/p2p/${relay}/p2p-circuit`,
    `/ip4/192.0.2.1/tcp/7946/p2p/nobody/p2p-circuit`,
    `${way}${way}`,
    `${way}/p2p-circuit`,
    '/p2p-circuit',
  ]) {
    assert.equal(usableAddress(text, PEER, open), undefined, text);
  }
});
