/**
 * TAP interfaces and route netlink against the real kernel. The file runs itself again in a network namespace of
 * its own, which goes with the process:
 *
 *   unshare -n ── this file ── pt-io-tap (two queues) 10.99.7.1/24, fd99:7::1/64
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { existsSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { libc } from './libc.ts';
import { allocateNative } from './native-memory.ts';
import { RouteNetlink } from './rtnetlink.ts';
import { SystemError, type SystemErrorCode } from './system-error.ts';
import { attachTapQueue, closeTapQueues, detachTapQueue, openTapDevice } from './tap-device.ts';

const INSIDE = 'PEERTAP_TEST_IN_NAMESPACE';
const NAME = 'pt-io-tap';
const MAC = Uint8Array.of(0x02, 0x50, 0x54, 1, 2, 3);
const PEER_MAC = Uint8Array.of(0x02, 0x50, 0x54, 9, 9, 9);
const OPTIONS = { queues: 2, tso: true, uso: true };

function missing(): string | false {
  if (process.getuid?.() !== 0) return 'needs root';
  if (!existsSync('/dev/net/tun')) return 'needs /dev/net/tun';
  return spawnSync('unshare', ['-n', 'true']).status === 0 ? false : 'needs unshare and namespaces';
}

function fails(code: SystemErrorCode, run: () => unknown): void {
  assert.throws(run, (error: unknown) => {
    assert.ok(error instanceof SystemError, String(error));
    assert.equal(error.code, code, error.message);
    return true;
  });
}

if (process.env[INSIDE] === undefined) {
  test('TAP interfaces in a namespace of their own', { skip: missing() }, () => {
    const env: NodeJS.ProcessEnv = { ...process.env, [INSIDE]: '1' };
    // Else the child would report to this run instead of running.
    delete env['NODE_TEST_CONTEXT'];
    const file = fileURLToPath(import.meta.url);
    const run = spawnSync('unshare', ['-n', process.execPath, file], {
      env,
      encoding: 'utf8',
      timeout: 20_000,
    });
    assert.equal(run.status, 0, run.stdout + run.stderr);
  });
} else {
  test('a name that Linux refuses, or that is taken, is told before anything else', () => {
    const tap = openTapDevice(NAME, OPTIONS);
    fails('name-in-use', () => openTapDevice(NAME, OPTIONS));
    fails('name-in-use', () => openTapDevice('lo', OPTIONS));
    for (const name of ['', 'a-very-long-name', 'a/b', 'a b', '..', 'ptap%d']) {
      fails('name-invalid', () => openTapDevice(name, OPTIONS));
    }
    closeTapQueues(tap.fds);
  });

  test('without the capability the error says what to give', () => {
    process.seteuid?.(65_534);
    try {
      fails('no-permission', () => openTapDevice(NAME, OPTIONS));
    } finally {
      process.seteuid?.(0);
    }
  });

  test('an interface takes MAC, MTU and addresses, and vanishes with its descriptors', () => {
    const tap = openTapDevice(NAME, OPTIONS);
    assert.equal(tap.fds.length, 2);
    assert.ok(tap.tso);
    const netlink = new RouteNetlink();
    netlink.changeLink(NAME, { mac: MAC, mtuBytes: 1400, transmitQueueFrames: 128 });
    netlink.changeLink(NAME, { up: true });
    netlink.addAddress(NAME, { ip: '10.99.7.1', prefixBits: 24 });
    netlink.addAddress(NAME, { ip: 'fd99:7::1', prefixBits: 64 });
    netlink.addAddress(NAME, { ip: 'fd99:7::1', prefixBits: 64 });
    const shown = networkInterfaces()[NAME] ?? [];
    assert.deepEqual(
      shown.filter((entry) => !entry.address.startsWith('fe80')).map((entry) => [entry.cidr, entry.mac]),
      [
        ['10.99.7.1/24', '02:50:54:01:02:03'],
        ['fd99:7::1/64', '02:50:54:01:02:03'],
      ],
    );
    netlink.removeAddress(NAME, { ip: 'fd99:7::1', prefixBits: 64 });
    netlink.removeAddress(NAME, { ip: 'fd99:7::1', prefixBits: 64 });
    assert.ok(!(networkInterfaces()[NAME] ?? []).some((entry) => entry.address === 'fd99:7::1'));
    fails('value-refused', () => netlink.changeLink(NAME, { mtuBytes: 10 }));
    fails('value-refused', () => netlink.addAddress(NAME, { ip: '10.99.7.1', prefixBits: 77 }));
    assert.ok(detachTapQueue(tap.fds[1] ?? -1));
    assert.equal(detachTapQueue(tap.fds[1] ?? -1), false);
    assert.ok(attachTapQueue(tap.fds[1] ?? -1));
    closeTapQueues(tap.fds);
    fails('no-such-interface', () => netlink.linkIndex(NAME));
    netlink.close();
  });

  test('frames leave and enter: an ARP request is read, its answer written, and the packet follows', async () => {
    const tap = openTapDevice(NAME, { queues: 1, tso: true, uso: false });
    const netlink = new RouteNetlink();
    netlink.changeLink(NAME, { mac: MAC, up: true });
    netlink.addAddress(NAME, { ip: '10.99.7.1', prefixBits: 24 });
    const socket = createSocket('udp4');
    await new Promise((resolve) => socket.send('hello', 9, '10.99.7.2', resolve));
    const fd = tap.fds[0] ?? -1;
    const request = readFrame(fd, (frame) => frame.readUInt16BE(12) === 0x0806);
    assert.deepEqual([...request.subarray(38, 42)], [10, 99, 7, 2]);
    writeArpReply(fd, request);
    const packet = readFrame(fd, (frame) => frame.readUInt16BE(12) === 0x0800 && frame[23] === 17);
    assert.deepEqual([...packet.subarray(0, 6)], [...PEER_MAC]);
    assert.equal(packet.subarray(42).toString(), 'hello');
    socket.close();
    closeTapQueues(tap.fds);
    netlink.close();
  });
}

/** The next frame that matches, without its virtio header. */
function readFrame(fd: number, matches: (frame: Buffer) => boolean): Buffer {
  const memory = allocateNative(70_000);
  const poll = allocateNative(8);
  poll.i32[0] = fd;
  poll.u16[2] = 1;
  for (;;) {
    assert.ok(libc.poll(poll.address, 1, 3000) > 0, 'no such frame came');
    const length = libc.read(fd, memory.address, 70_000);
    const frame = Buffer.from(memory.bytes.subarray(10, Math.max(length, 10)));
    if (frame.length >= 14 && matches(frame)) return frame;
  }
}

/** Answers as PEER_MAC; RFC 826. */
function writeArpReply(fd: number, request: Buffer): void {
  const memory = allocateNative(52);
  const reply = memory.bytes.subarray(10);
  reply.set(request.subarray(6, 12), 0);
  reply.set(PEER_MAC, 6);
  reply.set(request.subarray(12, 20), 12);
  reply.set([0, 2], 20);
  reply.set(PEER_MAC, 22);
  reply.set(request.subarray(38, 42), 28);
  reply.set(request.subarray(22, 32), 32);
  assert.equal(libc.write(fd, memory.address, 52), 52);
}
