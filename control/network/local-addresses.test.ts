import assert from 'node:assert/strict';
import { test } from 'node:test';
import { localAddresses } from './local-addresses.ts';

const entry = (address: string, internal = false) =>
  ({ address, internal, cidr: `${address}/${address.includes(':') ? 64 : 24}` }) as never;
const interfaces = {
  lo: [entry('127.0.0.1', true), entry('::1', true)],
  eth0: [entry('192.0.2.7'), entry('2001:db8::7'), entry('fe80::1')],
  ptap0: [entry('10.7.0.1'), entry('fe80::2')],
};
const listen = ['127.0.0.1', '192.0.2.7', '10.7.0.1'].map((ip) => `/ip4/${ip}/tcp/7946`);

test('addresses of our own VLANs, of loopback and link-local ones are not told', () => {
  const datagram = { address: '::', port: 7_947 };
  const found = localAddresses({ datagram, listen, ownInterfaces: new Set(['ptap0']), interfaces });
  assert.deepEqual(found.datagram, [
    { ip: '192.0.2.7', port: 7_947 },
    { ip: '2001:db8::7', port: 7_947 },
  ]);
  assert.deepEqual(found.listen, ['/ip4/192.0.2.7/tcp/7946']);
  assert.deepEqual(found.vlanNetworks, ['10.7.0.1/24']);
});

test('a socket of one address or one family tells only what it can receive', () => {
  const ownInterfaces = new Set<string>();
  const v4 = localAddresses({
    datagram: { address: '0.0.0.0', port: 1 },
    listen: [],
    ownInterfaces,
    interfaces,
  });
  assert.deepEqual(
    v4.datagram.map(({ ip }) => ip),
    ['192.0.2.7', '10.7.0.1'],
  );
  const one = localAddresses({
    datagram: { address: '192.0.2.7', port: 1 },
    listen: [],
    ownInterfaces,
    interfaces,
  });
  assert.deepEqual(one.datagram, [{ ip: '192.0.2.7', port: 1 }]);
});

test('all addresses of the machine are known, those that are not told as well', () => {
  const { own } = localAddresses({
    datagram: { address: '192.0.2.7', port: 1 },
    listen: [],
    ownInterfaces: new Set(['ptap0']),
    interfaces,
  });
  const all = Object.values(interfaces).flat();
  assert.equal(own.length, all.length);
  assert.ok(own.includes('10.7.0.1'));
});

test('with nothing but loopback, loopback is told', () => {
  const options = {
    datagram: { address: '0.0.0.0', port: 1 },
    ownInterfaces: new Set<string>(),
    interfaces: {},
  };
  assert.deepEqual(localAddresses({ ...options, listen: ['/ip4/127.0.0.1/tcp/1'] }).listen, [
    '/ip4/127.0.0.1/tcp/1',
  ]);
});
