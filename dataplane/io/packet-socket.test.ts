/**
 * The packet socket against the real kernel, on a TAP. The file runs itself again in a network namespace of its own,
 * which goes with the process:
 *
 *   unshare -n ── this file ── pt-io-cap (one queue)
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { libc } from './libc.ts';
import { allocateNative } from './native-memory.ts';
import { PacketSocket } from './packet-socket.ts';
import { SystemError } from './system-error.ts';
import { closeTapQueues, openTapDevice } from './tap-device.ts';

const INSIDE = 'PEERTAP_TEST_IN_NAMESPACE';
const NAME = 'pt-io-cap';
const PEER_MAC = Uint8Array.of(0x02, 0x50, 0x54, 9, 9, 9);
const VIRTIO_BYTES = 10;

interface Kept {
  readonly bytes: Buffer;
  readonly originalBytes: number;
  readonly unixMs: number;
  readonly isOutgoing: boolean;
}

function missing(): string | false {
  if (process.getuid?.() !== 0) return 'needs root';
  if (!existsSync('/dev/net/tun')) return 'needs /dev/net/tun';
  if (spawnSync('ip', ['-V']).status !== 0) return 'needs ip';
  return spawnSync('unshare', ['-n', 'true']).status === 0 ? false : 'needs unshare and namespaces';
}

/** An interface that is up and says nothing of its own. */
function openQuietTap(): number {
  const tap = openTapDevice(NAME, { queues: 1, tso: false, uso: false });
  const run = (...args: string[]): void => assert.equal(spawnSync('ip', args).status, 0, args.join(' '));
  run('link', 'set', NAME, 'addrgenmode', 'none');
  run('link', 'set', NAME, 'up');
  return tap.fds[0] ?? -1;
}

/** As the daemon gives frames of the VLAN to this machine. */
function giveFrame(fd: number, payloadBytes: number, marker: number): void {
  const memory = allocateNative(VIRTIO_BYTES + 14 + payloadBytes);
  memory.bytes.set([255, 255, 255, 255, 255, 255, ...PEER_MAC, 0x88, 0xb5, marker], VIRTIO_BYTES);
  const size = VIRTIO_BYTES + 14 + payloadBytes;
  assert.equal(libc.write(fd, memory.address, size), size);
}

function readAll(socket: PacketSocket): Kept[] {
  const kept: Kept[] = [];
  const taken = socket.read(10_000, ({ bytes, originalBytes, seconds, nanoseconds, isOutgoing }) => {
    const unixMs = seconds * 1000 + nanoseconds / 1_000_000;
    kept.push({ bytes: Buffer.from(bytes), originalBytes, unixMs, isOutgoing });
  });
  assert.equal(taken, kept.length);
  return kept;
}

if (process.env[INSIDE] === undefined) {
  test('a packet socket in a namespace of its own', { skip: missing() }, () => {
    const env: NodeJS.ProcessEnv = { ...process.env, [INSIDE]: '1' };
    // Else the child would report to this run instead of running.
    delete env['NODE_TEST_CONTEXT'];
    const run = spawnSync('unshare', ['-n', process.execPath, fileURLToPath(import.meta.url)], {
      env,
      encoding: 'utf8',
      timeout: 20_000,
    });
    assert.equal(run.status, 0, run.stdout + run.stderr);
  });
} else {
  test('frames are kept with their times, up to the size that is asked for', () => {
    const fd = openQuietTap();
    const socket = new PacketSocket(NAME, 40);
    assert.deepEqual(readAll(socket), []);
    const beforeMs = Date.now();
    giveFrame(fd, 20, 1);
    giveFrame(fd, 1000, 2);
    const [first, second, ...rest] = readAll(socket);
    assert.deepEqual(rest, []);
    assert.equal(first?.originalBytes, 34);
    assert.deepEqual(
      [...first.bytes.subarray(0, 15)],
      [255, 255, 255, 255, 255, 255, ...PEER_MAC, 0x88, 0xb5, 1],
    );
    assert.deepEqual([second?.originalBytes, second?.bytes.length, second?.bytes[14]], [1014, 40, 2]);
    assert.ok(first.unixMs >= beforeMs - 1 && first.unixMs <= Date.now() + 1, String(first.unixMs));
    assert.equal(first.isOutgoing, false);
    assert.equal(socket.dropped(), 0);
    socket.close();
    closeTapQueues([fd]);
  });

  test('what the machine sends is told from what it gets', () => {
    const fd = openQuietTap();
    const socket = new PacketSocket(NAME, 200);
    const run = (...args: string[]): void => assert.equal(spawnSync('ip', args).status, 0, args.join(' '));
    run('addr', 'add', '10.99.8.1/24', 'dev', NAME);
    run('neigh', 'add', '10.99.8.2', 'lladdr', '02:50:54:09:09:09', 'dev', NAME);
    const send =
      "require('node:dgram').createSocket('udp4').send('hello', 9, '10.99.8.2', () => process.exit())";
    assert.equal(spawnSync(process.execPath, ['-e', send]).status, 0);
    const sent = readAll(socket).find(({ bytes }) => bytes.subarray(-5).toString() === 'hello');
    assert.deepEqual([...(sent?.bytes.subarray(0, 6) ?? [])], [...PEER_MAC]);
    assert.equal(sent?.originalBytes, 14 + 20 + 8 + 5);
    assert.equal(sent.isOutgoing, true);
    socket.close();
    closeTapQueues([fd]);
  });

  test('a VLAN tag that the kernel took out of a frame is put back', () => {
    const fd = openQuietTap();
    for (const snapBytes of [100, 20]) {
      const socket = new PacketSocket(NAME, snapBytes);
      const frame = [255, 255, 255, 255, 255, 255, ...PEER_MAC, 0x81, 0x00, 0x60, 0x05, 0x88, 0xb5, 7, 8, 9];
      const memory = allocateNative(VIRTIO_BYTES + 60);
      memory.bytes.set(frame, VIRTIO_BYTES);
      assert.equal(libc.write(fd, memory.address, VIRTIO_BYTES + 60), VIRTIO_BYTES + 60);
      const [kept] = readAll(socket);
      assert.equal(kept?.originalBytes, 60);
      const whole = [...frame, ...new Array<number>(60 - frame.length).fill(0)];
      assert.deepEqual([...kept.bytes], whole.slice(0, snapBytes));
      socket.close();
    }
    closeTapQueues([fd]);
  });

  test('what finds no room is counted, and an interface that goes is the end', () => {
    const fd = openQuietTap();
    const socket = new PacketSocket(NAME, 65_568);
    let given = 0;
    for (; given < 60_000; given++) giveFrame(fd, 1400, given & 0xff);
    const kept = readAll(socket).length + readAll(socket).length;
    const dropped = socket.dropped();
    assert.ok(kept >= 1_000 && dropped > 0, `${kept} kept, ${dropped} dropped`);
    assert.equal(kept + dropped, given);
    assert.equal(socket.dropped(), dropped);
    closeTapQueues([fd]);
    assert.equal(
      socket.read(10, () => assert.fail('a frame of nobody')),
      -1,
    );
    socket.close();
  });

  test('what cannot be listened to is told in a sentence', () => {
    assert.throws(() => new PacketSocket('pt-none', 100), { code: 'no-such-interface' });
    process.seteuid?.(65_534);
    try {
      assert.throws(
        () => new PacketSocket('lo', 100),
        (error) =>
          error instanceof SystemError && error.code === 'no-permission' && /CAP_NET_RAW/.test(error.message),
      );
    } finally {
      process.seteuid?.(0);
    }
  });
}
