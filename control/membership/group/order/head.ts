/**
 * What the machine writes before it uses it: which state is settled, and what it must not forget over a restart.
 *
 *   version u8 │ flags u8 (1 leaving) │ heartbeat sequence u64 │ admission {u8 length │ bytes}
 *   │ state ids {u8 count │ 16 each}: the head first, then those that it may go back or over to
 *   │ policy as known {u24 length │ bytes} (policy-extension.ts: record, rebuild, standings)
 *   │ commit items of the head's chain {u8 count │ {u24 length │ bytes} each}
 *   │ familiar peers {u24 count │ 32 each} │ BLAKE3-128 of all before it
 *
 * Main thread; pure. A damaged head reads as none.
 */
import { hash128 } from '../../../vlan/hash.ts';
import { ByteReader, ByteWriter } from '../../byte-codec.ts';
import type { StateId } from '../group-port.ts';
import { type CommitItem, decodeItem } from './item.ts';
import { ORDER_LIMIT } from './order-port.ts';
import { DIGEST_BYTES, digestBytes, digestText, keyOfPeer, PEER_KEY_BYTES, peerOfKey } from './peer-key.ts';
import { decodePolicy, encodePolicy, type GroupPolicy } from './policy-extension.ts';

const VERSION = 1;
const LEAVING = 1;
const CHECKSUM_BYTES = 16;
const STATES_MAX = 32;
/** Twice the members: those of before are remembered, too. */
const FAMILIAR_MAX = 2 * ORDER_LIMIT.members;

/** The contents. */
export interface StoredHead {
  readonly isLeaving: boolean;
  /** The last heartbeat's. */
  readonly sequence: number;
  /** This node's credential; empty when it has none. */
  readonly admission: Uint8Array;
  /** The settled state first; empty before there is one. */
  readonly states: readonly StateId[];
  readonly known: GroupPolicy;
  readonly chain: readonly CommitItem[];
  readonly familiar: readonly string[];
}

export function encodeHead(head: StoredHead): Uint8Array {
  const known = encodePolicy(head.known);
  const states = head.states.slice(0, STATES_MAX);
  const familiar = head.familiar.slice(0, FAMILIAR_MAX);
  const chainBytes = head.chain.reduce((sum, { bytes }) => sum + 2 + bytes.length, 0);
  const writer = new ByteWriter(
    512 + known.length + chainBytes + states.length * DIGEST_BYTES + familiar.length * PEER_KEY_BYTES,
  );
  writer.u8(VERSION);
  writer.u8(head.isLeaving ? LEAVING : 0);
  writer.u64(head.sequence);
  writer.u8(head.admission.length);
  writer.bytes(head.admission, head.admission.length);
  writer.u8(states.length);
  for (const id of states) writer.bytes(digestBytes(id), DIGEST_BYTES);
  writer.u24(known.length);
  writer.bytes(known, known.length);
  writer.u8(head.chain.length);
  for (const { bytes } of head.chain) {
    writer.u24(bytes.length);
    writer.bytes(bytes, bytes.length);
  }
  writer.u24(familiar.length);
  for (const peer of familiar) writer.bytes(keyOfPeer(peer), PEER_KEY_BYTES);
  writer.bytes(hash128(writer.done()), CHECKSUM_BYTES);
  return writer.done().slice();
}

/** Reads a head; undefined for bytes that are none. */
export function decodeHead(bytes: Uint8Array): StoredHead | undefined {
  const end = bytes.length - CHECKSUM_BYTES;
  if (end < 0 || digestText(hash128(bytes.subarray(0, end))) !== digestText(bytes.subarray(end)))
    return undefined;
  const reader = new ByteReader(bytes.subarray(0, end));
  if (reader.u8() !== VERSION) return undefined;
  const isLeaving = (reader.u8() & LEAVING) !== 0;
  const sequence = reader.u64();
  const admission = reader.bytes(reader.u8());
  const states = Array.from({ length: reader.u8() }, () => digestText(reader.bytes(DIGEST_BYTES)));
  const known = decodePolicy(reader.bytes(Math.min(reader.u24(), reader.left())));
  const chain = Array.from({ length: reader.u8() }, () =>
    decodeItem(reader.bytes(Math.min(reader.u24(), reader.left()))),
  ).filter((item) => item?.type === 'commit');
  const count = Math.min(reader.u24(), FAMILIAR_MAX);
  const familiar = Array.from({ length: count }, () => peerOfKey(reader.bytes(PEER_KEY_BYTES)));
  return known === undefined || !reader.finished()
    ? undefined
    : { isLeaving, sequence, admission, states, known, chain, familiar };
}

/**
 * The states that a stored head may go on from: what `Group.restore` is to be asked for before a start.
 *
 * @returns undefined for bytes that are no head of ours
 */
export function statesOfHead(head: Uint8Array): readonly StateId[] | undefined {
  return decodeHead(head)?.states;
}
