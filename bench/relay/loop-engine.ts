/**
 * Owns the limit that a relay is measured beside: an engine that only receives trains and sends them on, by the native
 * engine's own system calls and in the same turns. No header is opened and none written; what is done in JavaScript is a
 * train's, not a datagram's.
 */
import { RxDatagram, RxMessage, Train, TxDatagram } from '../../dataplane/shm/layout.ts';
import { ARENA } from '../../dataplane/shm/memory-map.ts';
import { withBatches } from '../../dataplane/workers/batches.ts';
import type { LinkNode } from './link-node.ts';

/** A node whose trains leave as they came, by the lane of its first flow. */
export function receiveAndSend(node: LinkNode): LinkNode {
  const { u32 } = node.node.arena;
  const [lane = 0] = node.lanes;
  const [trunk = 0] = node.trunks;
  const layTrain = (index: number): void => {
    const message = (ARENA.messages + index * RxMessage.size) >> 2;
    const datagram = (ARENA.txDatagrams + index * TxDatagram.size) >> 2;
    const train = (ARENA.trains + index * Train.size) >> 2;
    const bytes = u32[message + (RxMessage.at.length >> 2)] ?? 0;
    const segmentBytes = u32[message + (RxMessage.at.segmentBytes >> 2)] ?? 1;
    u32[datagram + (TxDatagram.at.offset >> 2)] = u32[message + (RxMessage.at.offset >> 2)] ?? 0;
    u32[datagram + (TxDatagram.at.length >> 2)] = segmentBytes;
    u32[train + (Train.at.first >> 2)] = index;
    u32[train + (Train.at.count >> 2)] = Math.ceil(bytes / segmentBytes);
    u32[train + (Train.at.trunk >> 2)] = trunk;
    u32[train + (Train.at.lane >> 2)] = lane;
    u32[train + (Train.at.bytes >> 2)] = bytes;
  };
  const layTrains = (datagrams: number): number => {
    const last = ARENA.rxDatagrams + (datagrams - 1) * RxDatagram.size;
    const messages = (u32[(last + RxDatagram.at.message) >> 2] ?? 0) + 1;
    for (let index = 0; index < messages; index++) layTrain(index);
    return messages;
  };
  const stages = {
    ...node.engine,
    openLink: () => undefined,
    forward: (datagrams: number) => datagrams,
    relay: layTrains,
    closeLink: () => 0,
  };
  // The native engine's own batches would run its own stages.
  return { ...node, engine: withBatches(stages, node.node.tables, node.node.arena) };
}
