/**
 * Two nodes in one process for the tests of real workers: tables filled in by hand, UDP over loopback, and a pair of
 * Unix sockets in the place of each TAP.
 *
 *   test ── Unix pair ── worker of left ── UDP 127.0.0.1 ── worker of right ── Unix pair ── test
 */
import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import { createPair, type FixtureNode, type FixtureOptions } from '../../test/harness/dataplane-fixture.ts';
import { setFields } from '../../test/harness/table-writer.ts';
import { DROP_CODES } from '../base/drop-code.ts';
import type { EngineName } from '../contract/engine.ts';
import { monotonicMs } from '../io/clock.ts';
import { closeDescriptor, openEventfd } from '../io/eventfd.ts';
import { libc } from '../io/libc.ts';
import { allocateNative } from '../io/native-memory.ts';
import { encodeSocketAddress } from '../io/sockaddr.ts';
import { type DatagramSocket, openDatagramSocket } from '../io/udp-socket.ts';
import type { Arena } from '../shm/arena.ts';
import { ArenaHeader, Lane, VIRTIO_HEADER_BYTES } from '../shm/layout.ts';
import { ARENA, TABLE } from '../shm/memory-map.ts';
import { WorkerSupervisor } from './supervisor.ts';

const AF_UNIX = 1;
const SOCK_SEQPACKET_NONBLOCK_CLOEXEC = 0o2004005;
const LANE_LIFE_MS = 180_000;
const FRAME_LIMIT_BYTES = 70_000;
const WAIT_LIMIT_MS = 10_000;
const NO_FD = -1;

/** One node with its worker. */
export class LoopbackNode {
  readonly fixture: FixtureNode;
  /** Of its workers; the last one has the TAP. */
  readonly arenas: readonly Arena[];
  readonly supervisor: WorkerSupervisor;
  readonly socket: DatagramSocket;
  /** Deaths and restarts, as they were told. */
  readonly log: string[] = [];
  readonly #fds: number[];
  readonly #tap: number;
  readonly #memory = allocateNative(FRAME_LIMIT_BYTES);

  /** @param more - arenas of further workers, which have no socket */
  constructor(fixture: FixtureNode, engine: EngineName, ...more: readonly Arena[]) {
    this.fixture = fixture;
    this.arenas = [fixture.arena, ...more];
    this.socket = openDatagramSocket({
      address: { ip: '127.0.0.1', port: 0 },
      bufferBytes: 4 << 20,
      gro: true,
    });
    const wakes = this.arenas.map(() => openEventfd());
    const [inner, outer] = unixPair();
    this.#tap = outer;
    this.#fds = [this.socket.fd, ...wakes, inner, outer];
    setFields(fixture.arena.buffer, ArenaHeader, ARENA.header, { udpFd: this.socket.fd });
    this.arenas.forEach((arena, i) => {
      setFields(arena.buffer, ArenaHeader, ARENA.header, { wakeFd: wakes[i] ?? NO_FD });
    });
    this.supervisor = new WorkerSupervisor({
      engine,
      tables: fixture.tables,
      arenas: this.arenas,
      debug: true,
      onWorkerDown: (down) => this.log.push(`down ${down.incarnation}: ${down.reason}`),
      onWorkerRestarted: (worker) => this.log.push(`restarted ${worker}`),
      // A Unix socket has no queue to detach.
      ports: { attachQueue: () => true, detachQueue: () => true },
    });
    this.supervisor.attachTap(this.arenas.length - 1, 0, [inner]);
  }

  /** Points the lane at the other node, on the clock that the workers read. */
  connect(other: LoopbackNode): void {
    const { tables, lane } = this.fixture;
    const at = TABLE.lanes + lane * Lane.size;
    const addressBytes = encodeSocketAddress(other.socket.address, false, tables.bytes, at + Lane.at.address);
    setFields(tables.buffer, Lane, at, { addressBytes, notAfterMs: monotonicMs() + LANE_LIFE_MS });
  }

  /** Gives the worker a frame as a TAP would. False: the socket is full. */
  write(frame: Uint8Array, virtio = new Uint8Array(VIRTIO_HEADER_BYTES)): boolean {
    this.#memory.bytes.set(virtio);
    this.#memory.bytes.set(frame, VIRTIO_HEADER_BYTES);
    const length = VIRTIO_HEADER_BYTES + frame.length;
    return libc.write(this.#tap, this.#memory.address, length) === length;
  }

  /** What the worker wrote last to the TAP, without its virtio header; undefined when there is nothing. */
  read(): Uint8Array | undefined {
    const length = libc.read(this.#tap, this.#memory.address, FRAME_LIMIT_BYTES);
    return length < 0 ? undefined : this.#memory.bytes.slice(VIRTIO_HEADER_BYTES, length);
  }

  /** The next frame, which must come within some seconds. */
  async next(): Promise<Uint8Array> {
    let frame: Uint8Array | undefined;
    await until(
      () => {
        frame = this.read();
        return frame !== undefined;
      },
      () => `no frame came to ${this.fixture.name}; drops there: ${this.drops()}`,
    );
    return frame ?? new Uint8Array(0);
  }

  /** Drop codes with their counts, for messages. */
  drops(): string {
    const { counters } = this.fixture.arena;
    return JSON.stringify(
      Object.fromEntries(DROP_CODES.map((n, i) => [n, counters[i]]).filter(([, c]) => c !== 0)),
    );
  }

  async close(): Promise<boolean> {
    const clean = await this.supervisor.stop(3000);
    for (const fd of this.#fds) closeDescriptor(fd);
    return clean;
  }
}

/** Two connected nodes whose workers run. */
export async function startPair(
  engine: EngineName,
  options: FixtureOptions,
): Promise<{ left: LoopbackNode; right: LoopbackNode }> {
  const pair = createPair(options);
  const left = new LoopbackNode(pair.left, engine);
  const right = new LoopbackNode(pair.right, engine);
  left.connect(right);
  right.connect(left);
  await Promise.all([left.supervisor.start(), right.supervisor.start()]);
  return { left, right };
}

/** Lets the workers run until something holds; fails after some seconds. */
export async function until(holds: () => boolean, otherwise: () => string): Promise<void> {
  const startMs = performance.now();
  while (!holds()) {
    assert.ok(performance.now() - startMs < WAIT_LIMIT_MS, otherwise());
    await delay(1);
  }
}

function unixPair(): readonly [number, number] {
  const fds = allocateNative(8);
  assert.equal(libc.socketpair(AF_UNIX, SOCK_SEQPACKET_NONBLOCK_CLOEXEC, 0, fds.address), 0);
  return [fds.i32[0] ?? -1, fds.i32[1] ?? -1];
}
