/** Behaviour of captures: a file that others can read, its ends, and a reader that is slow. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { CaptureSink, CaptureSummary } from '../admin/inspection.ts';
import type { CapturedFrame, CaptureSource } from './capture-port.ts';
import { CaptureSession } from './capture-session.ts';

const ALL = { count: 0, seconds: 0, snapBytes: 100 };
const HAS_TCPDUMP = spawnSync('tcpdump', ['--version']).status === 0;

/** An ARP request for 10.7.0.n. */
function arp(host: number): Uint8Array {
  const sender = [2, 0, 0, 0, 0, 1];
  const body = [0, 1, 8, 0, 6, 4, 0, 1, ...sender, 10, 7, 0, 1, 0, 0, 0, 0, 0, 0, 10, 7, 0, host];
  return Uint8Array.from([255, 255, 255, 255, 255, 255, ...sender, 8, 6, ...body]);
}

/** A block as a reader that knows only the format sees it. */
interface Block {
  readonly type: number;
  readonly body: DataView;
  readonly bytes: Uint8Array;
}

/** Reads a file block by block, and holds each to the format. */
function parseBlocks(file: Uint8Array): Block[] {
  const view = new DataView(file.buffer, file.byteOffset, file.length);
  const blocks: Block[] = [];
  for (let at = 0; at < file.length; ) {
    const length = view.getUint32(at + 4, true);
    assert.ok(
      length >= 12 && length % 4 === 0 && at + length <= file.length,
      `a block of ${length} at ${at}`,
    );
    assert.equal(view.getUint32(at + length - 4, true), length);
    const bytes = file.subarray(at + 8, at + length - 4);
    const body = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    blocks.push({ type: view.getUint32(at, true), body, bytes });
    at += length;
  }
  return blocks;
}

function options({ body, bytes }: Block, from: number): Map<number, Uint8Array> {
  const found = new Map<number, Uint8Array>();
  for (let at = from; ; ) {
    const code = body.getUint16(at, true);
    const length = body.getUint16(at + 2, true);
    if (code === 0) {
      assert.equal(at + 4, bytes.length, 'the end of options is the end of the block');
      return found;
    }
    found.set(code, bytes.subarray(at + 4, at + 4 + length));
    at += 4 + ((length + 3) & ~3);
  }
}

/** A virtual clock, an interface of a list, and a sink in memory. */
class World implements CaptureSource {
  timeMs = 0;
  waiting: CapturedFrame[] = [];
  isGone = false;
  lost = 0;
  isSlow = false;
  readonly ends = new AbortController();
  readonly written: Uint8Array[] = [];
  /** At each new time. */
  onTick: () => void = () => undefined;
  releases: (() => void)[] = [];

  pass(bytes: Uint8Array, changes: Partial<CapturedFrame> = {}): void {
    const time = { seconds: 1_790_000_000, nanoseconds: 123_456_789 };
    this.waiting.push({ bytes, originalBytes: bytes.length, ...time, isOutgoing: false, ...changes });
  }

  read(most: number, onFrame: (frame: CapturedFrame) => void): number {
    if (this.isGone && this.waiting.length === 0) return -1;
    const taken = this.waiting.splice(0, most);
    for (const frame of taken) onFrame(frame);
    return taken.length;
  }

  dropped(): number {
    return this.lost;
  }

  close(): void {
    this.isGone = true;
  }

  run(wanted: Partial<typeof ALL> = {}): Promise<CaptureSummary> {
    const sink: CaptureSink = {
      write: (bytes) => {
        this.written.push(Uint8Array.from(bytes));
        return !this.isSlow;
      },
      drained: () => new Promise((resolve) => this.releases.push(resolve)),
    };
    const clock = {
      nowMs: () => this.timeMs,
      unixMs: () => 1_790_000_000_000 + this.timeMs,
      sleep: (durationMs: number) => {
        this.timeMs += Math.max(1, durationMs);
        this.onTick();
        return Promise.resolve();
      },
    };
    return new CaptureSession(this, sink, clock).run('ptap0', { ...ALL, ...wanted }, this.ends.signal);
  }

  get file(): Uint8Array {
    return Uint8Array.from(Buffer.concat(this.written));
  }
}

test('the file says its interface, and of each frame when, how long and which way', async () => {
  const world = new World();
  world.pass(arp(2));
  world.pass(arp(3).subarray(0, 17), { originalBytes: 1500, isOutgoing: true });
  assert.deepEqual(await world.run({ count: 2 }), { frames: 2, dropped: 0 });
  const [section, description, first, second, statistics, ...rest] = parseBlocks(world.file);
  assert.ok(section && description && first && second && statistics);
  assert.deepEqual(rest, []);
  assert.equal(section.type, 0x0a0d0d0a);
  assert.equal(section.body.getUint32(0, true), 0x1a2b3c4d);
  assert.match(new TextDecoder().decode(options(section, 16).get(4)), /^PeerTap \d/);
  assert.deepEqual([description.type, description.body.getUint16(0, true)], [1, 1]);
  assert.equal(description.body.getUint32(4, true), 100);
  assert.equal(new TextDecoder().decode(options(description, 8).get(2)), 'ptap0');
  assert.deepEqual([...(options(description, 8).get(9) ?? [])], [9]);
  const time = (BigInt(first.body.getUint32(4, true)) << 32n) | BigInt(first.body.getUint32(8, true));
  assert.equal(time, 1_790_000_000_123_456_789n);
  assert.deepEqual([first.type, first.body.getUint32(12, true), first.body.getUint32(16, true)], [6, 42, 42]);
  assert.deepEqual(first.bytes.slice(20, 62), arp(2));
  assert.deepEqual([...(options(first, 64).get(2) ?? [])], [1, 0, 0, 0]);
  assert.deepEqual([second.body.getUint32(12, true), second.body.getUint32(16, true)], [17, 1500]);
  assert.deepEqual([...(options(second, 40).get(2) ?? [])], [2, 0, 0, 0]);
  assert.equal(statistics.type, 5);
  assert.deepEqual([...(options(statistics, 12).get(4) ?? [])], [2, 0, 0, 0, 0, 0, 0, 0]);
});

test('tcpdump reads it', { skip: HAS_TCPDUMP ? false : 'needs tcpdump' }, async () => {
  const world = new World();
  for (let host = 2; host < 12; host++) world.pass(arp(host), { nanoseconds: host });
  await world.run({ count: 10 });
  const folder = mkdtempSync(join(tmpdir(), 'peertap-capture-'));
  try {
    const file = join(folder, 'x.pcapng');
    writeFileSync(file, world.file);
    const read = spawnSync('tcpdump', ['-ttnr', file], { encoding: 'utf8' });
    assert.equal(read.status, 0, read.stderr);
    assert.equal(read.stdout.trim().split('\n').length, 10, read.stdout);
    assert.match(read.stdout, /1790000000\.000000 ARP, Request who-has 10\.7\.0\.11 tell 10\.7\.0\.1/);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('it ends after so many frames, and what passed after is not in it', async () => {
  const world = new World();
  for (let index = 0; index < 1_000; index++) world.pass(arp(index & 0xff));
  assert.deepEqual(await world.run({ count: 300 }), { frames: 300, dropped: 0 });
  assert.equal(parseBlocks(world.file).length, 2 + 300 + 1);
  assert.equal(world.waiting.length, 700);
});

test('it ends after so many seconds', async () => {
  const world = new World();
  world.onTick = () => {
    if (world.timeMs < 2_500 && world.waiting.length === 0) world.pass(arp(2));
  };
  const { frames } = await world.run({ seconds: 2 });
  assert.ok(frames > 100);
  assert.ok(world.timeMs >= 2_000 && world.timeMs < 2_010, String(world.timeMs));
});

test('told to end, it still takes what passed before', async () => {
  const world = new World();
  world.lost = 3;
  world.onTick = () => {
    if (world.timeMs < 50) return;
    world.pass(arp(9));
    world.ends.abort();
  };
  assert.deepEqual(await world.run(), { frames: 1, dropped: 3 });
  const statistics = parseBlocks(world.file).at(-1);
  assert.ok(statistics !== undefined);
  assert.deepEqual([...(options(statistics, 12).get(4) ?? [])], [4, 0, 0, 0, 0, 0, 0, 0]);
  assert.deepEqual([...(options(statistics, 12).get(5) ?? [])], [3, 0, 0, 0, 0, 0, 0, 0]);
});

test('an interface that goes ends it in order', async () => {
  const world = new World();
  world.pass(arp(2));
  world.onTick = () => world.close();
  assert.deepEqual(await world.run(), { frames: 1, dropped: 0 });
  assert.equal(parseBlocks(world.file).at(-1)?.type, 5);
});

test('a slow reader stops the reading, so that the kernel drops and counts', async () => {
  const world = new World();
  world.isSlow = true;
  for (let index = 0; index < 200; index++) world.pass(arp(2));
  const done = world.run({ count: 400 });
  await new Promise(setImmediate);
  const before = world.written.length;
  for (let index = 0; index < 200; index++) world.pass(arp(3));
  await new Promise(setImmediate);
  assert.equal(world.written.length, before);
  assert.equal(world.waiting.length, 200);
  world.isSlow = false;
  for (const release of world.releases) release();
  assert.deepEqual(await done, { frames: 400, dropped: 0 });
});
