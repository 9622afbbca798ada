import assert from 'node:assert/strict';
import { test } from 'node:test';
import { closeDescriptor } from './eventfd.ts';
import { MessageReceiver } from './message-receiver.ts';
import { MessageSender } from './message-sender.ts';
import { allocateNative } from './native-memory.ts';
import { selfTestOffloads } from './self-test.ts';
import { decodeSocketAddress, encodeIp, encodeSocketAddress } from './sockaddr.ts';
import { SystemError } from './system-error.ts';
import { type DatagramSocket, openDatagramSocket } from './udp-socket.ts';

function open(ip: string, port = 0, gro = false): DatagramSocket {
  return openDatagramSocket({ address: { ip, port }, bufferBytes: 262_144, gro });
}

test('a bound socket reports its real port and the buffers that it got', () => {
  const socket = open('127.0.0.1');
  assert.equal(socket.address.ip, '127.0.0.1');
  assert.ok(socket.address.port > 0);
  assert.ok(socket.receiveBufferBytes >= 65_536);
  assert.ok(socket.sendBufferBytes >= 65_536);
  closeDescriptor(socket.fd);
});

test('a port in use, and an address that is not ours, are told apart', () => {
  const socket = open('127.0.0.1');
  assert.throws(
    () => open('127.0.0.1', socket.address.port),
    (error: unknown) =>
      error instanceof SystemError && error.code === 'address-in-use' && /port/.test(error.message),
  );
  assert.throws(
    () => open('192.0.2.1'),
    (error: unknown) => error instanceof SystemError && error.code === 'address-unavailable',
  );
  closeDescriptor(socket.fd);
});

test('a datagram says whence it came and to which address, on IPv4 and on a dual-stack socket', () => {
  for (const ip of ['0.0.0.0', '::']) {
    const server = open(ip);
    const client = open(ip === '::' ? '::' : '127.0.0.1');
    const sender = new MessageSender(client.fd, client.ipv6);
    const address = new Uint8Array(28);
    const to = { ip: '127.0.0.2', port: server.address.port };
    sender.setDestination(address, 0, encodeSocketAddress(to, client.ipv6, address, 0));
    sender.setSource(encodeIp('127.0.0.3', client.ipv6), 0);
    const memory = allocateNative(4096);
    memory.bytes.set([1, 2, 3]);
    // A socket bound to 127.0.0.1 still sends from another address of the host when told to.
    assert.equal(sender.send(memory.address, 3, 0), 0);
    const receiver = new MessageReceiver(server.fd, {
      address: memory.address + 1024,
      bytes: 1024,
      count: 2,
    });
    assert.equal(receiver.receive(), 1);
    const parsed = new Uint8Array(44);
    receiver.parse(0, parsed, 0, 28);
    assert.equal(receiver.length, 3);
    assert.deepEqual(decodeSocketAddress(parsed, 0, receiver.addressBytes), {
      ip: '127.0.0.3',
      port: client.address.port,
    });
    assert.deepEqual(
      [...parsed.subarray(28, 28 + (server.ipv6 ? 16 : 4))],
      [...encodeIp('127.0.0.2', server.ipv6)],
    );
    assert.deepEqual([...memory.bytes.subarray(1024, 1027)], [1, 2, 3]);
    assert.equal(receiver.receive(), 0);
    closeDescriptor(server.fd);
    closeDescriptor(client.fd);
  }
});

test('the offload test finds what this kernel does and says why not', () => {
  const result = selfTestOffloads();
  assert.ok([1, 2, 32, 64, 128].includes(result.gsoSegments));
  if (result.gsoSegments === 1 || !result.gro) assert.notEqual(result.reasons.length, 0);
});
