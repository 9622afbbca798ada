/**
 * Owns the trains that a generator sends: those of a flow, closed anew each time and each datagram unlike any other, and
 * those of a hostile neighbour. The generator's process.
 *
 *   transmit buffer   a train of whatever flow │ a hostile one        64 KiB each; sent before the next is laid there
 */
import { FRAME_UNICAST, KIND_FRAME, NONE, Train, TxDatagram } from '../../dataplane/shm/layout.ts';
import { ARENA } from '../../dataplane/shm/memory-map.ts';
import { controlWord, LINK, LINK_MIN_BYTES, LINK_VERSION_TYPE } from '../../dataplane/wire/link-datagram.ts';
import { setFields } from '../../test/harness/table-writer.ts';
import { RandomWords } from '../micro/table-cells.ts';
import { tokenOf } from './flows.ts';
import type { HostileKind } from './hostile-kinds.ts';
import type { LinkNode } from './link-node.ts';

/** Trains of one kind; each is sent as often as asked. */
export interface TrainSource {
  readonly datagrams: number;
  /** @throws Error when its lane has ended */
  readonly send: () => void;
}

/** Size of a train. */
export interface TrainShape {
  readonly datagramBytes: number;
  readonly datagrams: number;
}

/** Tokens of a flow, and whether they change by the train or by the datagram. */
export interface TokenTurn {
  readonly tokens: readonly Uint8Array[];
  readonly turn: 'train' | 'datagram';
}

const AREA_BYTES = 65_536;
/** Of a frame that was sealed for one member, with hops left. */
const CONTROL = controlWord(KIND_FRAME, 1, 16, 0);
const SEED = 7;

/** Bytes that are sealed end to end, as a relay sees them: a number that does not come again. */
let sequence = 0;

/** A flow's own trains. */
export function validTrains(node: LinkNode, flow: number, shape: TrainShape, turn: TokenTurn): TrainSource {
  const train = { ...shape, flow, first: flow * shape.datagrams, offset: ARENA.txBuffer };
  layTrain(node, train);
  const { u32 } = node.node.arena;
  const words = tokenWords(turn.tokens);
  const first = (ARENA.txDatagrams + train.first * TxDatagram.size + TxDatagram.at.token) >> 2;
  let next = 0;
  const layToken = (index: number): void => {
    const word = first + index * (TxDatagram.size >> 2);
    for (let part = 0; part < 4; part++) u32[word + part] = words[4 * next + part] ?? 0;
    if (turn.turn === 'datagram') next = (next + 1) % turn.tokens.length;
  };
  const send = (): void => {
    for (let index = 0; turn.tokens.length > 1 && index < shape.datagrams; index++) layToken(index);
    if (turn.turn === 'train') next = (next + 1) % turn.tokens.length;
    close(node, train);
    node.engine.send(flow);
  };
  for (let index = 0; index < shape.datagrams; index++) layToken(index);
  return { datagrams: shape.datagrams, send };
}

/** Trains of a hostile neighbour, in the place of those of its flow. */
export function hostileTrains(
  node: LinkNode,
  flow: number,
  kind: HostileKind,
  usual: TrainShape,
): TrainSource {
  const first = flow * usual.datagrams;
  const train = { ...shapeOf(kind, usual), flow, first, offset: ARENA.txBuffer + AREA_BYTES };
  const { datagrams } = train;
  layTrain(node, train);
  const send = (): void => node.engine.send(flow);
  if (kind === 'replayed') close(node, train);
  if (kind === 'truncated' || kind === 'random') layNoise(node, train, kind);
  if (kind === 'replayed' || kind === 'truncated' || kind === 'random') return { datagrams, send };
  const { bytes } = node.node.arena;
  return {
    datagrams,
    send: () => {
      close(node, train);
      for (let index = 0; kind === 'forged' && index < datagrams; index++)
        flip(bytes, placeOf(train, index) + LINK.token);
      send();
    },
  };
}

/** As many bytes as the usual trains, but for those that are cut short. */
function shapeOf(kind: HostileKind, usual: TrainShape): TrainShape {
  if (kind === 'truncated') return { datagramBytes: LINK_MIN_BYTES - 1, datagrams: usual.datagrams };
  if (kind !== 'oversized') return usual;
  return { datagramBytes: 2 * usual.datagramBytes, datagrams: usual.datagrams >> 1 };
}

/** A train, and where it lies. */
interface LaidTrain extends TrainShape {
  /** Which is the number of the train too. */
  readonly flow: number;
  /** Index of its first TxDatagram. */
  readonly first: number;
  readonly offset: number;
}

function placeOf({ offset, datagramBytes }: LaidTrain, index: number): number {
  return offset + index * datagramBytes;
}

/** All datagrams get the flow's first token. */
function layTrain({ node, lanes, trunks }: LinkNode, train: LaidTrain): void {
  const { buffer } = node.arena;
  const { flow, first, datagrams, datagramBytes } = train;
  for (let index = 0; index < datagrams; index++) {
    setFields(buffer, TxDatagram, ARENA.txDatagrams + (first + index) * TxDatagram.size, {
      offset: placeOf(train, index),
      length: datagramBytes,
      token: tokenOf(flow),
      control: CONTROL,
      verdict: FRAME_UNICAST,
    });
  }
  setFields(buffer, Train, ARENA.trains + flow * Train.size, {
    first,
    count: datagrams,
    trunk: trunks[flow] ?? NONE,
    lane: lanes[flow] ?? NONE,
    bytes: datagrams * datagramBytes,
  });
}

/** Numbers the datagrams, so that none is a copy of an earlier one, and writes their headers. */
function close({ node, engine }: LinkNode, train: LaidTrain): void {
  const { u32 } = node.arena;
  for (let index = 0; index < train.datagrams; index++)
    u32[(placeOf(train, index) + LINK.sender) >> 2] = sequence++;
  if (engine.closeLink(train.flow) !== 0) throw new Error('a lane of the generator has ended');
}

function layNoise({ node }: LinkNode, train: LaidTrain, kind: HostileKind): void {
  const { bytes } = node.arena;
  const words = new RandomWords(SEED);
  for (let index = 0; index < train.datagrams; index++) {
    const at = placeOf(train, index);
    for (let byte = 0; byte < train.datagramBytes; byte++) bytes[at + byte] = words.next();
    if (kind === 'truncated' || index % 2 === 0) bytes[at] = LINK_VERSION_TYPE;
  }
}

function flip(bytes: Uint8Array, at: number): void {
  bytes[at] = (bytes[at] ?? 0) ^ 1;
}

function tokenWords(tokens: readonly Uint8Array[]): Uint32Array {
  const bytes = new Uint8Array(16 * tokens.length);
  for (const [index, token] of tokens.entries()) bytes.set(token, 16 * index);
  return new Uint32Array(bytes.buffer);
}
