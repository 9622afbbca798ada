/**
 * The TypeScript engine: the stages of pipeline/ over the ports of crypto/ and the system calls of io/. A worker's
 * thread. It is the reference for the native engine, and runs where that one is not built.
 */
import type { Engine, Stages } from '../contract/engine.ts';
import type { PacketIo } from '../contract/packet-io.ts';
import { chooseCrypto } from '../crypto/choose-crypto.ts';
import type { CryptoPorts } from '../crypto/crypto-port.ts';
import { createKoffiIo } from '../io/koffi-io.ts';
import { classify } from '../pipeline/classify.ts';
import { closeLink } from '../pipeline/close-link.ts';
import { coalesce } from '../pipeline/coalesce.ts';
import { forward } from '../pipeline/forward.ts';
import { learn } from '../pipeline/learn.ts';
import { closeLinkBody } from '../pipeline/link-body.ts';
import { openFrame } from '../pipeline/open-frame.ts';
import { openLink } from '../pipeline/open-link.ts';
import { relay } from '../pipeline/relay.ts';
import { seal } from '../pipeline/seal.ts';
import { segment } from '../pipeline/segment.ts';
import { createStageContext, type StageContext } from '../pipeline/stage-context.ts';
import { train } from '../pipeline/train.ts';
import { type Arena, countDrop } from '../shm/arena.ts';
import { CARRIER_STREAM, Lane } from '../shm/layout.ts';
import { ARENA, TABLE } from '../shm/memory-map.ts';
import { SCRATCH } from '../shm/scratch.ts';
import type { Tables } from '../shm/tables.ts';
import { LINK_BODY_OVERHEAD_BYTES } from '../wire/link-datagram.ts';
import { withBatches } from './batches.ts';

/**
 * The engine of one worker.
 *
 * @param arena - its descriptors are set
 * @throws SystemError when the kernel refuses what the system calls need
 */
export function createTypescriptEngine(tables: Tables, arena: Arena): Engine {
  return composeEngine(tables, arena, createKoffiIo(tables, arena), chooseCrypto(tables, arena));
}

/** The stages over any I/O and cryptography. */
export function composeEngine(tables: Tables, arena: Arena, io: PacketIo, crypto: CryptoPorts): Engine {
  const context = createStageContext(tables, arena, crypto);
  const stages: Stages = {
    name: 'typescript',
    wait: (timeoutMs, spin) => io.wait(timeoutMs, spin),
    readTap: (queue) => io.readTap(queue),
    classify: (frameCount) => classify(context, frameCount),
    segment: (from, frameCount) => segment(context, from, frameCount),
    seal: (count) => seal(context, count),
    train: (count) => train(context, count),
    closeLink: (index) => closeLink(context, index),
    send: (index) => io.send(index),
    receive: () => io.receive(),
    openLink: (count, carrier) => openLink(context, count, carrier),
    forward: (count) => forward(context, count),
    relay: (count) => relay(context, count),
    openFrame: (count) => openFrame(context, count),
    learn: (count) => learn(context, count),
    coalesce: (count) => coalesce(context, count),
    writeTap: (count) => io.writeTap(count),
    sendLink: (lane, bodyBytes) => sendLink(context, io, lane, bodyBytes),
    close(): void {
      crypto.close();
      io.close();
    },
  };
  return withBatches(stages, tables, arena);
}

function sendLink(context: StageContext, io: PacketIo, lane: number, bodyBytes: number): number {
  const code = closeLinkBody(context, lane, bodyBytes);
  const length = bodyBytes + LINK_BODY_OVERHEAD_BYTES;
  const carrier = context.tables.u32[(TABLE.lanes + lane * Lane.size + Lane.at.carrier) >> 2];
  if (code !== 0) countDrop(context.arena, code);
  else if (carrier === CARRIER_STREAM) return length;
  else io.sendTo(lane, SCRATCH.endpoint, ARENA.txBuffer, length);
  return 0;
}
