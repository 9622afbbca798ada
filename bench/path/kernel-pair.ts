/**
 * Owns two nodes of one VLAN on one thread with the kernel between them: a pair of Unix sockets in the place of each
 * TAP, and UDP over loopback.
 *
 *   offer ─ Unix pair ─▶ turn of left ─ UDP 127.0.0.1 ─▶ turn of right ─ Unix pair ─▶ taken
 *
 * A turn is the worker's own (workers/turn.ts), system calls included. Nothing here allocates once it is made, since it
 * runs while allocation is measured.
 */
import type { Engine } from '../../dataplane/contract/engine.ts';
import { monotonicMs } from '../../dataplane/io/clock.ts';
import { closeDescriptor, openEventfd, signalEventfd } from '../../dataplane/io/eventfd.ts';
import { libc } from '../../dataplane/io/libc.ts';
import { allocateNative } from '../../dataplane/io/native-memory.ts';
import { encodeSocketAddress } from '../../dataplane/io/sockaddr.ts';
import { type DatagramSocket, openDatagramSocket } from '../../dataplane/io/udp-socket.ts';
import { createNativeEngine } from '../../dataplane/native/load.ts';
import { ArenaHeader, Lane, TapQueue, VIRTIO_HEADER_BYTES } from '../../dataplane/shm/layout.ts';
import { ARENA, TABLE } from '../../dataplane/shm/memory-map.ts';
import { runTurn } from '../../dataplane/workers/turn.ts';
import { createTypescriptEngine } from '../../dataplane/workers/typescript-engine.ts';
import { createWorkerContext, type WorkerContext } from '../../dataplane/workers/worker-context.ts';
import { createPair, type FixtureNode, type TapFrame } from '../../test/harness/dataplane-fixture.ts';
import { setFields } from '../../test/harness/table-writer.ts';
import type { BenchEngine } from '../section.ts';
import type { Workload } from './workload.ts';

const AF_UNIX = 1;
const SOCK_SEQPACKET_NONBLOCK_CLOEXEC = 0o2004005;
const LANE_LIFE_MS = 1_000_000;
const SOCKET_BUFFER_BYTES = 4 << 20;
const READ_LIMIT_BYTES = 70_000;
const WORKER = 0;
const VLAN = 0;

/** One node: its turn, and the outer ends of its sockets. */
interface KernelNode {
  readonly context: WorkerContext;
  readonly engine: Engine;
  /** The other end of its TAP. */
  readonly outer: number;
  readonly close: () => void;
}

/** Two nodes and the kernel. */
export interface KernelPair {
  /** Carries the workload's frames once from TAP to TAP. @returns writes that reached the right TAP */
  readonly carry: () => number;
  readonly close: () => void;
}

/** Makes both. @throws SystemError when the kernel refuses */
export function kernelPair(engine: BenchEngine, workload: Workload): KernelPair {
  const nodes = createPair(workload.options);
  const sockets = [openSocket(), openSocket()] as const;
  connect(nodes.left, sockets[1]);
  connect(nodes.right, sockets[0]);
  const left = makeNode(nodes.left, sockets[0], engine);
  const right = makeNode(nodes.right, sockets[1], engine);
  const offer = makeOffer(left.outer, workload.frames);
  const take = makeTake(right.outer);
  return {
    carry: () => {
      offer();
      turn(left.context);
      turn(right.context);
      return take();
    },
    close: () => {
      left.close();
      right.close();
    },
  };
}

/** Never sleeps: what was offered is there, and what was sent over loopback has arrived. */
function turn(context: WorkerContext): void {
  context.backlog = true;
  runTurn(context);
}

function openSocket(): DatagramSocket {
  return openDatagramSocket({
    address: { ip: '127.0.0.1', port: 0 },
    bufferBytes: SOCKET_BUFFER_BYTES,
    gro: true,
  });
}

function connect({ tables, lane }: FixtureNode, peer: DatagramSocket): void {
  const at = TABLE.lanes + lane * Lane.size;
  const addressBytes = encodeSocketAddress(peer.address, false, tables.bytes, at + Lane.at.address);
  setFields(tables.buffer, Lane, at, { addressBytes, notAfterMs: monotonicMs() + LANE_LIFE_MS });
}

function makeNode(node: FixtureNode, socket: DatagramSocket, name: BenchEngine): KernelNode {
  const { tables, arena } = node;
  const [inner, outer] = unixPair();
  const wakeFd = openEventfd();
  setFields(arena.buffer, ArenaHeader, ARENA.header, { udpFd: socket.fd, wakeFd });
  setFields(arena.buffer, TapQueue, ARENA.tapQueues + VLAN * TapQueue.size, { fd: inner, attached: 1 });
  const engine =
    name === 'native' ? createNativeEngine(tables, arena) : createTypescriptEngine(tables, arena);
  const context = createWorkerContext({
    engine,
    tables,
    arenas: [arena],
    worker: WORKER,
    wake: signalEventfd,
  });
  const close = (): void => {
    engine.close();
    for (const fd of [socket.fd, wakeFd, inner, outer]) closeDescriptor(fd);
  };
  return { context, engine, outer, close };
}

function unixPair(): readonly [number, number] {
  const fds = allocateNative(8);
  if (libc.socketpair(AF_UNIX, SOCK_SEQPACKET_NONBLOCK_CLOEXEC, 0, fds.address) !== 0) {
    throw new Error('the kernel gives no pair of Unix sockets');
  }
  return [fds.i32[0] ?? -1, fds.i32[1] ?? -1];
}

/** Writes every frame, behind its virtio header, to the socket. */
function makeOffer(fd: number, frames: readonly TapFrame[]): () => void {
  const packets = frames.map((frame) => {
    const memory = allocateNative(VIRTIO_HEADER_BYTES + frame.bytes.length);
    memory.bytes.set(frame.bytes, VIRTIO_HEADER_BYTES);
    memory.u16[0] = frame.virtioFlags ?? 0;
    memory.u16[2] = frame.gsoSize ?? 0;
    memory.u16[3] = frame.csumStart ?? 0;
    memory.u16[4] = frame.csumOffset ?? 0;
    return { memory, length: VIRTIO_HEADER_BYTES + frame.bytes.length };
  });
  return () => {
    for (const { memory, length } of packets) libc.write(fd, memory.pointer, length);
  };
}

/** Reads whatever is there. */
function makeTake(fd: number): () => number {
  const memory = allocateNative(READ_LIMIT_BYTES);
  return () => {
    let writes = 0;
    while (libc.read(fd, memory.pointer, READ_LIMIT_BYTES) > 0) writes++;
    return writes;
  };
}
