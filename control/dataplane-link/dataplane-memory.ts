/**
 * What the data plane is given before a worker starts: shared memory, sockets, wake-up descriptors, offloads.
 *
 * Main thread only. The descriptors are the daemon's: they outlive workers, and are closed here.
 */
import { randomBytes } from 'node:crypto';
import { closeDescriptor, openEventfd } from '../../dataplane/io/eventfd.ts';
import { selfTestOffloads } from '../../dataplane/io/self-test.ts';
import { type DatagramSocket, openDatagramSocket } from '../../dataplane/io/udp-socket.ts';
import { type Arena, createArena } from '../../dataplane/shm/arena.ts';
import {
  ArenaHeader,
  DEFAULT_TOKEN_CAPACITY,
  OFFLOAD_TAP_TSO,
  OFFLOAD_TAP_USO,
  OFFLOAD_UDP_GRO,
  OFFLOAD_UDP_GSO,
} from '../../dataplane/shm/layout.ts';
import { createTables, type Tables } from '../../dataplane/shm/tables.ts';

/** Room for some milliseconds of a fast stream in each socket. */
const SOCKET_BUFFER_BYTES = 8 * 1024 * 1024;

/** Which offloads may be used; each can be turned off. */
export interface OffloadSwitches {
  readonly tapTso: boolean;
  readonly tapUso: boolean;
  readonly udpGso: boolean;
  readonly udpGro: boolean;
}

/** What to set up. */
export interface MemoryOptions {
  readonly workerCount: number;
  /** Worker i's socket is bound to port + i; port 0 lets the kernel choose for each. */
  readonly listen: { readonly address: string; readonly port: number };
  readonly offloads: OffloadSwitches;
  /** Longest window in which a worker may spin before it sleeps; 0: never. */
  readonly spinLimitUs: number;
  readonly tokenCapacity?: number;
}

/** What was set up. */
export interface DataplaneMemory {
  readonly tables: Tables;
  readonly arenas: readonly Arena[];
  readonly sockets: readonly DatagramSocket[];
  /** Why an offload is off, for the log. */
  readonly offloadReasons: readonly string[];
}

/**
 * Sets it up.
 *
 * @throws SystemError when the kernel refuses; nothing is left open then
 */
export function openDataplaneMemory(options: MemoryOptions): DataplaneMemory {
  const sockets: DatagramSocket[] = [];
  const wakeFds: number[] = [];
  try {
    for (let worker = 0; worker < options.workerCount; worker++) {
      sockets.push(openWorkerSocket(options, worker));
      wakeFds.push(openEventfd());
    }
  } catch (error) {
    for (const fd of [...sockets.map((socket) => socket.fd), ...wakeFds]) {
      closeDescriptor(fd);
    }
    throw error;
  }
  const test = selfTestOffloads();
  const arenas = sockets.map((socket, worker) => {
    const gsoSegments = options.offloads.udpGso ? test.gsoSegments : 1;
    return prepareArena(options, { worker, socket, wakeFd: wakeFds[worker] ?? -1, gsoSegments });
  });
  return { tables: prepareTables(options), arenas, sockets, offloadReasons: test.reasons };
}

/** Closes sockets and wake-up descriptors; no worker runs any more. */
export function closeDataplaneMemory(memory: DataplaneMemory): void {
  for (const socket of memory.sockets) {
    closeDescriptor(socket.fd);
  }
  for (const arena of memory.arenas) {
    closeDescriptor(arena.i32[ArenaHeader.at.wakeFd >> 2] ?? -1);
    arena.i32[ArenaHeader.at.wakeFd >> 2] = -1;
  }
}

/** An interface came up without an offload that was hoped for: no worker uses it. */
export function limitTapOffloads(
  arenas: readonly Arena[],
  tap: { readonly tso: boolean; readonly uso: boolean },
): void {
  const off = (tap.tso ? 0 : OFFLOAD_TAP_TSO) | (tap.uso ? 0 : OFFLOAD_TAP_USO);
  for (const arena of arenas) {
    Atomics.and(arena.u32, ArenaHeader.at.offloads >> 2, ~off >>> 0);
  }
}

function openWorkerSocket(options: MemoryOptions, worker: number): DatagramSocket {
  const { address, port } = options.listen;
  return openDatagramSocket({
    address: { ip: address, port: port === 0 ? 0 : port + worker },
    bufferBytes: SOCKET_BUFFER_BYTES,
    gro: options.offloads.udpGro,
  });
}

function prepareArena(
  options: MemoryOptions,
  parts: {
    readonly worker: number;
    readonly socket: DatagramSocket;
    readonly wakeFd: number;
    readonly gsoSegments: number;
  },
): Arena {
  const arena = createArena(parts.worker);
  const { at } = ArenaHeader;
  const { tapTso, tapUso } = options.offloads;
  const gso = parts.gsoSegments > 1;
  arena.i32[at.udpFd >> 2] = parts.socket.fd;
  arena.i32[at.wakeFd >> 2] = parts.wakeFd;
  arena.u32[at.gsoSegments >> 2] = parts.gsoSegments;
  arena.u32[at.ipv6 >> 2] = parts.socket.ipv6 ? 1 : 0;
  arena.u32[at.spinLimitUs >> 2] = options.spinLimitUs;
  arena.u32[at.offloads >> 2] =
    (tapTso ? OFFLOAD_TAP_TSO : 0) |
    (tapUso ? OFFLOAD_TAP_USO : 0) |
    (gso ? OFFLOAD_UDP_GSO : 0) |
    (parts.socket.gro ? OFFLOAD_UDP_GRO : 0);
  return arena;
}

function prepareTables(options: MemoryOptions): Tables {
  const random = new DataView(Uint8Array.from(randomBytes(8)).buffer);
  return createTables({
    workerCount: options.workerCount,
    tokenCapacity: options.tokenCapacity ?? DEFAULT_TOKEN_CAPACITY,
    hashKey: { key0: random.getUint32(0), key1: random.getUint32(4) },
  });
}
