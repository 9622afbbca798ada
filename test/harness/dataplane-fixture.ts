/**
 * Two nodes of one VLAN with a trunk between them, as tables and arenas filled in by hand: what a test of the stages
 * (either engine) starts from. No thread, no socket: frames are put into the arena and datagrams are carried from
 * one arena to the other by copying.
 *
 *   left                                                     right
 *   station 02:00:00:00:00:01   trunk 0 ── lane slot 5 ⇄ 9 ── trunk 0   station 02:00:00:00:00:02
 *   VLAN 0, epoch 0, leaf 0x0000a1                           VLAN 0, epoch 0, leaf 0x0000b2
 *
 * All keys are SHA-256 of a label, so both engines, and two runs, see the same bytes.
 */
import { createHash } from 'node:crypto';
import {
  broadcastToken,
  controlToken,
  forwardingToken,
  groupRoute,
  stationToken,
} from '../../control/token/token.ts';
import { type Arena, createArena } from '../../dataplane/shm/arena.ts';
import {
  ArenaHeader,
  CARRIER_UDP,
  CIPHER_AES_256_GCM,
  FrameDescriptor,
  Iovec,
  LANE_SENDS,
  NONE,
  OFFLOAD_TAP_TSO,
  OFFLOAD_TAP_USO,
  OFFLOAD_UDP_GRO,
  OFFLOAD_UDP_GSO,
  RxDatagram,
  STATION_ENFORCED,
  STATION_LOCAL,
  STATION_REMOTE,
  TapWrite,
  TOKEN_CONTROL,
  TOKEN_LOCAL,
  Train,
  TxDatagram,
} from '../../dataplane/shm/layout.ts';
import { ARENA } from '../../dataplane/shm/memory-map.ts';
import { createTables, type Tables } from '../../dataplane/shm/tables.ts';
import {
  getField,
  insertRxSender,
  insertStation,
  insertToken,
  setFields,
  writeEpoch,
  writeFrameKey,
  writeLane,
  writeSalt,
  writeSet,
  writeTrunk,
  writeVlan,
} from './table-writer.ts';

/** What may differ between fixtures; every field has a default. */
export interface FixtureOptions {
  readonly cipher?: number;
  /** Largest link datagram on the trunk. */
  readonly datagramMtuBytes?: number;
  readonly tapMtuBytes?: number;
  /** OFFLOAD_*; all by default. */
  readonly offloads?: number;
  readonly gsoSegments?: number;
  readonly carrier?: number;
  readonly tokenCapacity?: number;
  /** Of the tables; the arenas are worker 0's. */
  readonly workerCount?: number;
  /** Leaf, salt and lane equal at both ends: what section 4's collision test forces. */
  readonly equalSenders?: boolean;
}

/** One side: its memory and the slots that tests ask for. */
export interface FixtureNode {
  readonly name: string;
  readonly tables: Tables;
  readonly arena: Arena;
  readonly mac: Uint8Array;
  readonly lane: number;
  /** Frame key slots. */
  readonly keys: typeof KEY_SLOT;
  /** Slot of the peer in the table of senders. */
  readonly peerSender: number;
  /** Slots of the stations. */
  readonly ownStation: number;
  readonly peerStation: number;
}

/** Both sides. */
export interface FixturePair {
  readonly left: FixtureNode;
  readonly right: FixtureNode;
}

/** Where each side keeps its frame keys. */
export const KEY_SLOT = { txGroup: 0, txPair: 1, rxGroup: 16, rxPair: 17 } as const;

/** Milliseconds that the arenas start at; lanes expire 180 s later. */
export const START_MS = 1_000_000;

interface Side {
  readonly name: 'left' | 'right';
  readonly mac: Uint8Array;
  readonly leaf: number;
  readonly lane: number;
  readonly index: number;
}

const LEFT: Side = {
  name: 'left',
  mac: Uint8Array.of(2, 0, 0, 0, 0, 1),
  leaf: 0x0000a1,
  lane: 5,
  index: (0x1234 << 13) | 5,
};
const RIGHT: Side = {
  name: 'right',
  mac: Uint8Array.of(2, 0, 0, 0, 0, 2),
  leaf: 0x0000b2,
  lane: 9,
  index: (0x4321 << 13) | 9,
};

/** Deterministic bytes named by a label; SHA-256 in counter mode. */
export function bytesOf(label: string, length: number): Uint8Array {
  const out = new Uint8Array(length);
  for (let block = 0; block * 32 < length; block++) {
    const digest = createHash('sha256').update(`${label}\n${block}`).digest();
    out.set(digest.subarray(0, Math.min(32, length - block * 32)), block * 32);
  }
  return out;
}

/** What epoch 0 derives its tokens of. */
export const TOKEN_SECRETS = {
  tokenKey: bytesOf('token key', 32),
  segment: { id: bytesOf('segment', 16) },
} as const;

/** The period in which both send and receive. */
export const PERIOD = 494_000;

/** Tokens of the pair, by use. */
export const TOKEN = {
  broadcast: broadcastToken(TOKEN_SECRETS, PERIOD),
  control: controlToken(TOKEN_SECRETS, PERIOD),
  left: stationToken(TOKEN_SECRETS, PERIOD, LEFT.mac),
  right: stationToken(TOKEN_SECRETS, PERIOD, RIGHT.mac),
} as const;

/** The token of a multicast group. */
export function groupToken(mac: Uint8Array): Uint8Array {
  return forwardingToken(TOKEN_SECRETS.segment.id, groupRoute(TOKEN_SECRETS.tokenKey, PERIOD, mac));
}

/** Makes both sides. */
export function createPair(options: FixtureOptions = {}): FixturePair {
  return { left: createNode(LEFT, RIGHT, options), right: createNode(RIGHT, LEFT, options) };
}

function createNode(own: Side, peer: Side, options: FixtureOptions): FixtureNode {
  const tables = createTables({
    workerCount: options.workerCount ?? 1,
    tokenCapacity: options.tokenCapacity ?? 1024,
    hashKey: { key0: 0x01020304, key1: 0x05060708 },
  });
  const arena = createArena(0);
  setFields(arena.buffer, ArenaHeader, ARENA.header, {
    incarnation: 1,
    nowMs: START_MS,
    gsoSegments: options.gsoSegments ?? 64,
    offloads: options.offloads ?? OFFLOAD_TAP_TSO | OFFLOAD_TAP_USO | OFFLOAD_UDP_GSO | OFFLOAD_UDP_GRO,
  });
  writeSegment(tables, options);
  writeKeys(tables, own, peer, options);
  writeTrunkAndLane(tables, own, peer, options);
  const stations = writeStations(tables, own, peer);
  const peerSender = insertRxSender(
    tables,
    { epoch: 0, leafLane: leafOf(peer, options), ...saltOf(peer, options) },
    { groupKey: KEY_SLOT.rxGroup, pairKey: KEY_SLOT.rxPair, firstCounter: 0, member: 1 },
  );
  return {
    name: own.name,
    tables,
    arena,
    mac: own.mac,
    lane: own.lane,
    keys: KEY_SLOT,
    peerSender,
    ...stations,
  };
}

function leafOf(side: Side, options: FixtureOptions): number {
  return options.equalSenders === true ? 0xc3 : side.leaf; // lane 0 in the upper byte
}

function saltOf(side: Side, options: FixtureOptions): { saltLow: number; saltHigh: number } {
  const salt = bytesOf(options.equalSenders === true ? 'one salt' : `${side.name} salt`, 6);
  const view = new DataView(salt.buffer);
  return { saltLow: view.getUint32(0, true), saltHigh: view.getUint16(4, true) };
}

function writeSegment(tables: Tables, options: FixtureOptions): void {
  writeVlan(tables, 0, { mtuBytes: options.tapMtuBytes ?? 1500, txEpoch: 0, floodSet: 0 });
  writeEpoch(tables, 0, {
    vlan: 0,
    cipher: options.cipher ?? CIPHER_AES_256_GCM,
    segment: TOKEN_SECRETS.segment.id,
    tokenKey: TOKEN_SECRETS.tokenKey,
    maskKey: bytesOf('mask key', 32),
    period: PERIOD,
    serial: 1,
    groupKeys: [KEY_SLOT.txGroup, ...new Array<number>(15).fill(NONE)],
  });
  writeSet(tables, 0, [0]);
}

function writeKeys(tables: Tables, own: Side, peer: Side, options: FixtureOptions): void {
  const cipher = options.cipher ?? CIPHER_AES_256_GCM;
  const key = (sender: Side, use: string): Uint8Array => bytesOf(`${sender.name} ${use} key`, 32);
  const { txGroup, txPair, rxGroup, rxPair } = KEY_SLOT;
  writeFrameKey(tables, txGroup, { cipher, salt: 0, keySerial: 1, key: key(own, 'group') });
  writeFrameKey(tables, txPair, { cipher, salt: 0, keySerial: 2, key: key(own, 'pair') });
  writeFrameKey(tables, rxGroup, { cipher, salt: NONE, keySerial: 3, key: key(peer, 'group') });
  writeFrameKey(tables, rxPair, { cipher, salt: NONE, keySerial: 4, key: key(peer, 'pair') });
  writeSalt(tables, 0, { worker: 0, leafLane: leafOf(own, options), ...saltOf(own, options) });
}

function writeTrunkAndLane(tables: Tables, own: Side, peer: Side, options: FixtureOptions): void {
  const carrier = options.carrier ?? CARRIER_UDP;
  writeTrunk(tables, 0, {
    datagramMtuBytes: options.datagramMtuBytes ?? 1472,
    carrier,
    laneCount: 1,
    lanes: [own.lane, ...new Array<number>(15).fill(NONE)],
  });
  writeLane(tables, own.lane, {
    state: LANE_SENDS,
    generation: 1,
    worker: 0,
    trunk: 0,
    carrier,
    localIndex: own.index,
    peerIndex: peer.index,
    rxKeys: bytesOf(`${peer.name} link keys`, 128),
    rxLinkToken: bytesOf(`${peer.name} link token`, 16),
    txKeys: bytesOf(`${own.name} link keys`, 128),
    txLinkToken: bytesOf(`${own.name} link token`, 16),
    notAfterMs: START_MS + 180_000,
    keySerial: 7,
  });
}

function writeStations(tables: Tables, own: Side, peer: Side): { ownStation: number; peerStation: number } {
  const ownStation = insertStation(tables, 0, own.mac, {
    flags: STATION_LOCAL | STATION_ENFORCED,
    lastSeenMs: START_MS,
  });
  const peerStation = insertStation(tables, 0, peer.mac, {
    flags: STATION_REMOTE,
    trunk: 0,
    route: KEY_SLOT.txPair,
    member: 1,
    lastSeenMs: START_MS,
  });
  insertToken(tables, TOKEN.broadcast, { epoch: 0, flags: TOKEN_LOCAL });
  insertToken(tables, TOKEN.control, { epoch: 0, flags: TOKEN_CONTROL });
  insertToken(tables, TOKEN[own.name], { epoch: 0, flags: TOKEN_LOCAL });
  return { ownStation, peerStation };
}

// ---------------------------------------------------------------- egress

/** A frame as a TAP gives it: the Ethernet frame and its virtio header. */
export interface TapFrame {
  readonly bytes: Uint8Array;
  /** virtio_net_hdr flags | gso_type << 8. */
  readonly virtioFlags?: number;
  readonly gsoSize?: number;
  readonly csumStart?: number;
  readonly csumOffset?: number;
}

/**
 * Puts frames into the TAP buffer as readTap would, 10 bytes of virtio header before each.
 * @returns how many; frames 0 … count-1 are described
 */
export function putFrames(node: FixtureNode, frames: readonly TapFrame[], vlan = 0): number {
  let offset = ARENA.tapBuffer;
  for (const [index, frame] of frames.entries()) {
    const frameOffset = offset + 10;
    node.arena.bytes.set(frame.bytes, frameOffset);
    setFields(node.arena.buffer, FrameDescriptor, ARENA.frames + index * FrameDescriptor.size, {
      offset: frameOffset,
      length: frame.bytes.length,
      vlan,
      virtioFlags: frame.virtioFlags ?? 0,
      gsoSize: frame.gsoSize ?? 0,
      csumStart: frame.csumStart ?? 0,
      csumOffset: frame.csumOffset ?? 0,
    });
    offset += Math.ceil((10 + frame.bytes.length) / 64) * 64;
  }
  return frames.length;
}

/** Copies of the bytes of datagrams 0 … count-1 in txBuffer, bytes 0‥31 as the last closeLink left them. */
export function takeDatagrams(node: FixtureNode, count: number): Uint8Array[] {
  return Array.from({ length: count }, (_, index) => {
    const at = ARENA.txDatagrams + index * TxDatagram.size;
    const offset = getField(node.arena.buffer, TxDatagram, at, 'offset');
    return node.arena.bytes.slice(offset, offset + getField(node.arena.buffer, TxDatagram, at, 'length'));
  });
}

/** Copies of the datagrams of one train. */
export function takeTrain(node: FixtureNode, train: number): Uint8Array[] {
  const at = ARENA.trains + train * Train.size;
  const first = getField(node.arena.buffer, Train, at, 'first');
  const count = getField(node.arena.buffer, Train, at, 'count');
  return takeDatagrams(node, first + count).slice(first);
}

// ---------------------------------------------------------------- ingress

/**
 * Puts link datagrams into the receive buffer as receive would.
 * @returns how many; RxDatagrams 0 … count-1 are described
 */
export function putDatagrams(node: FixtureNode, datagrams: readonly Uint8Array[]): number {
  let offset = ARENA.rxBuffer;
  for (const [index, datagram] of datagrams.entries()) {
    node.arena.bytes.set(datagram, offset);
    setFields(node.arena.buffer, RxDatagram, ARENA.rxDatagrams + index * RxDatagram.size, {
      offset,
      length: datagram.length,
      message: 0,
      verdict: 0,
    });
    offset += datagram.length;
  }
  return datagrams.length;
}

/** What went to a TAP in one write. */
export interface WrittenFrame {
  readonly vlan: number;
  /** The virtio header, 10 bytes. */
  readonly virtio: Uint8Array;
  readonly bytes: Uint8Array;
  readonly datagrams: number;
  /** Chooses the TAP queue. */
  readonly flowHash: number;
}

/** Copies of TapWrites 0 … count-1. */
export function takeWrites(node: FixtureNode, count: number): WrittenFrame[] {
  const { buffer, bytes } = node.arena;
  return Array.from({ length: count }, (_, index) => {
    const at = ARENA.writes + index * TapWrite.size;
    const first = getField(buffer, TapWrite, at, 'iovecFirst');
    const pieces = Array.from({ length: getField(buffer, TapWrite, at, 'iovecCount') }, (_, piece) => {
      const iovec = ARENA.iovecs + (first + piece) * Iovec.size;
      const offset = getField(buffer, Iovec, iovec, 'offset');
      return bytes.slice(offset, offset + getField(buffer, Iovec, iovec, 'length'));
    });
    return {
      vlan: getField(buffer, TapWrite, at, 'vlan'),
      virtio: bytes.slice(at + TapWrite.at.virtio, at + TapWrite.at.virtio + 10),
      bytes: new Uint8Array(Buffer.concat(pieces)),
      datagrams: getField(buffer, TapWrite, at, 'datagrams'),
      flowHash: getField(buffer, TapWrite, at, 'flowHash'),
    };
  });
}
