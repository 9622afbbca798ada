/**
 * Owns a node of the chain: its engine over the tables of its role, on the one socket of its process. The calling thread.
 */

import type { Engine } from '../../dataplane/contract/engine.ts';
import { monotonicMs } from '../../dataplane/io/clock.ts';
import { openEventfd } from '../../dataplane/io/eventfd.ts';
import { selfTestOffloads } from '../../dataplane/io/self-test.ts';
import { encodeSocketAddress } from '../../dataplane/io/sockaddr.ts';
import { type DatagramSocket, openDatagramSocket } from '../../dataplane/io/udp-socket.ts';
import { createNativeEngine, nativeAvailability } from '../../dataplane/native/load.ts';
import { ArenaHeader, Lane } from '../../dataplane/shm/layout.ts';
import { ARENA, TABLE } from '../../dataplane/shm/memory-map.ts';
import { createTypescriptEngine } from '../../dataplane/workers/typescript-engine.ts';
import { setFields } from '../../test/harness/table-writer.ts';
import type { BenchEngine } from '../section.ts';
import { type FlowNode, prolong } from './flows.ts';

/** All three listen on it. */
const PORT = 7000;
const BUFFER_BYTES = 8 << 20;

/** A node with its engine. */
export interface LinkNode extends FlowNode {
  readonly engine: Engine;
}

let socket: DatagramSocket | undefined;

/** The socket of this process. */
export function ownSocket(): DatagramSocket {
  socket ??= openDatagramSocket({
    address: { ip: '0.0.0.0', port: PORT },
    bufferBytes: BUFFER_BYTES,
    gro: true,
  });
  return socket;
}

/** The faster engine of this machine: what generates and checks is not what is measured. */
export function helperEngine(): BenchEngine {
  return nativeAvailability().ok ? 'native' : 'typescript';
}

/**
 * Gives a node an engine, and its sending lanes an address.
 *
 * @param peer - IPv4 address of the next node; undefined: it only receives
 */
export function openLinkNode(flows: FlowNode, name: BenchEngine, peer?: string): LinkNode {
  const { node, lanes } = flows;
  const { tables, arena } = node;
  const { gsoSegments } = selfTestOffloads();
  const fields = { udpFd: ownSocket().fd, wakeFd: openEventfd(), gsoSegments };
  setFields(arena.buffer, ArenaHeader, ARENA.header, fields);
  if (peer !== undefined) {
    for (const lane of lanes) {
      const at = TABLE.lanes + lane * Lane.size;
      const address = { ip: peer, port: PORT };
      const addressBytes = encodeSocketAddress(address, false, tables.bytes, at + Lane.at.address);
      setFields(tables.buffer, Lane, at, { addressBytes });
    }
  }
  prolong(node, monotonicMs());
  const engine =
    name === 'native' ? createNativeEngine(tables, arena) : createTypescriptEngine(tables, arena);
  return { ...flows, engine };
}
