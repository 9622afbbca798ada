/** Which addresses lie within this node's own VLANs. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodeTrunkMessage } from './messages/trunk-messages.ts';
import { Harness, LOWER } from './trunk-machine.fixture.ts';
import { VlanNetworks } from './vlan-networks.ts';

test('an address within the prefix is inside, at every length, and nothing is without networks', () => {
  const networks = new VlanNetworks(['10.7.0.1/24', '192.168.129.0/25', 'fd00:1::5/64', '203.0.113.9/32']);
  for (const ip of [
    '10.7.0.0',
    '10.7.0.255',
    '192.168.129.127',
    'fd00:1::1:2',
    '203.0.113.9',
    '::ffff:10.7.0.4',
  ])
    assert.ok(networks.hasIp(ip), ip);
  for (const ip of [
    '10.7.1.0',
    '10.6.0.1',
    '192.168.129.128',
    'fd00:1:0:1::1',
    '203.0.113.8',
    'nonsense',
    '',
  ])
    assert.ok(!networks.hasIp(ip), ip);
  assert.ok(new VlanNetworks(['0.0.0.0/0']).hasIp('8.8.8.8'));
  assert.ok(!new VlanNetworks([]).hasIp('10.7.0.1'));
  assert.ok(!new VlanNetworks(['10.7.0.1', '10.7.0.1/33', '/24', 'x/8']).hasIp('10.7.0.1'));
  assert.ok(networks.hasMultiaddr('/ip4/10.7.0.9/tcp/7946'));
  assert.ok(!networks.hasMultiaddr('/ip4/10.8.0.9/tcp/7946'));
  assert.ok(!networks.hasMultiaddr('/dns4/10.7.0.9/tcp/7946'));
});

test('a trunk does not go through the VLAN that it carries, whoever asks it to', () => {
  const harness = new Harness();
  const inside = { ip: '10.7.0.5', port: 7_947 };
  harness.send({
    kind: 'set-addresses',
    datagramPort: 7_947,
    datagram: [],
    listen: [],
    vlanNetworks: ['10.7.0.1/24'],
  });
  harness.send({
    kind: 'set-peers',
    peers: [{ peer: LOWER, addresses: ['/ip4/10.7.0.5/tcp/7946', '/ip4/192.0.2.1/tcp/7946'] }],
  });
  const { stream } = harness.open(LOWER);
  const hello = harness.hello({}, { features: ['candidates'], datagramAddresses: [inside] });
  const effects = harness.send({ kind: 'message', stream, message: encodeTrunkMessage(hello) });
  const lane = effects.find((effect) => effect.kind === 'install-lane' && effect.carrier === 'udp');
  assert.ok(lane?.kind === 'install-lane');
  const lanes = [{ lane: 0, addresses: [inside] }];
  const named = encodeTrunkMessage({ kind: 'candidates', isAnswer: false, lanes, paddingBytes: 500 });
  const all = [
    ...harness.send({ kind: 'lane-accepted', handle: lane.handle }),
    ...harness.send({ kind: 'message', stream, message: named }),
    ...harness.ask(lane.handle, inside),
    ...harness.pass(30_000),
  ];
  const probed = all.flatMap((effect) => (effect.kind === 'send-probe' ? (effect.address?.ip ?? '') : []));
  assert.ok(probed.length > 0);
  assert.ok(!probed.includes(inside.ip));
});

test('what leads into an own VLAN is not dialled', () => {
  const harness = new Harness();
  const address = (vlanNetworks: readonly string[]) =>
    harness.send({ kind: 'set-addresses', datagramPort: 7_947, datagram: [], listen: [], vlanNetworks });
  address(['10.7.0.1/24']);
  const far = '/ip4/192.0.2.1/tcp/7946';
  const dialled = harness.send({
    kind: 'set-peers',
    peers: [{ peer: LOWER, addresses: ['/ip4/10.7.0.5/tcp/7946', far] }],
  });
  assert.deepEqual(
    dialled.flatMap((effect) => (effect.kind === 'dial' ? effect.addresses : [])),
    [far],
  );
});
