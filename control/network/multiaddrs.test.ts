/** Addresses as text. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { multiaddr } from '@multiformats/multiaddr';
import { expandedAddresses, namedAddress } from './multiaddrs.ts';

const RELAY = '12D3KooWBvKQGA9cfRhFTdWrZYp4zzRZ1bJYFsPa3HrGYkoHLiV2';
const PEER = '12D3KooWLG6kHFNV9tTEQLM4LEavqfLVXWmGtdXyeKcD3frzzd1t';
const v4 = { netmask: '', mac: '', internal: false, cidr: null, family: 'IPv4' } as const;
const v6 = { ...v4, family: 'IPv6' } as const;

test('a wildcard stands for each address of its family, global ones too, and no link-local ones', () => {
  const interfaces = {
    eth0: [
      { ...v4, address: '11.0.0.9' },
      { ...v6, address: '2001:db8::9', scopeid: 0 },
      { ...v6, address: 'fe80::1', scopeid: 2 },
    ],
  };
  const listening = ['/ip4/0.0.0.0/tcp/7946', '/ip6/::/tcp/7946/ws', '/ip4/192.0.2.1/udp/5/quic-v1'];
  assert.deepEqual(expandedAddresses(listening.map(multiaddr), interfaces), [
    '/ip4/11.0.0.9/tcp/7946',
    '/ip6/2001:db8::9/tcp/7946/ws',
    '/ip4/192.0.2.1/udp/5/quic-v1',
  ]);
});

test('the peer of a circuit is the one behind it, not the relay', () => {
  const circuit = `/ip4/192.0.2.1/tcp/1/p2p/${RELAY}/p2p-circuit`;
  assert.equal(namedAddress(circuit, PEER)?.toString(), `${circuit}/p2p/${PEER}`);
  assert.equal(namedAddress(`${circuit}/p2p/${PEER}`, PEER)?.toString(), `${circuit}/p2p/${PEER}`);
  assert.equal(namedAddress(`${circuit}/p2p/${PEER}`, RELAY), undefined);
  assert.equal(namedAddress(`/ip4/192.0.2.1/tcp/1/p2p/${RELAY}`, PEER), undefined);
  assert.equal(namedAddress('nonsense', PEER), undefined);
});
