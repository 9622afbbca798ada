/**
 * Sends trains and receives messages on a worker's socket, between the kernel and the arena's descriptors. The
 * worker's thread.
 *
 * A train that the kernel refuses as a GSO send (EIO or EINVAL: some routes and drivers cannot) goes again datagram
 * by datagram, byte for byte, and its lane stays with that until its keys change.
 */
import { COUNTER } from '../base/counter.ts';
import { DROP } from '../base/drop-code.ts';
import { invariant } from '../base/invariant.ts';
import { type Arena, count } from '../shm/arena.ts';
import {
  ArenaHeader,
  BATCH,
  Lane,
  LIMIT,
  MESSAGE_OVERHEAD_BYTES,
  NONE,
  RxDatagram,
  RxMessage,
  Train,
  TxDatagram,
} from '../shm/layout.ts';
import { ARENA, TABLE } from '../shm/memory-map.ts';
import type { Tables } from '../shm/tables.ts';
import { MessageReceiver } from './message-receiver.ts';
import { MessageSender } from './message-sender.ts';
import type { NativeMemory } from './native-memory.ts';
import { SOCKADDR_IN6_BYTES } from './sockaddr.ts';
import { ERRNO } from './system-error.ts';

/** A train has at most 128 datagrams, so that this many messages never exceed the datagram descriptors. */
const MESSAGES_A_CALL = Math.min(BATCH.messages, BATCH.rxDatagrams / 128);
const ENDPOINT_ADDRESS_BYTES = 28;
const ENDPOINT_LOCAL = 32;
const READ_ATTEMPTS = 4;
const NO_VERSION = -1;

/** One worker's socket. */
export class LinkSocketIo {
  readonly #tables: Tables;
  readonly #arena: Arena;
  readonly #memory: NativeMemory;
  readonly #sender: MessageSender;
  readonly #receiver: MessageReceiver;
  readonly #address = new Uint8Array(SOCKADDR_IN6_BYTES);
  readonly #source = new Uint8Array(16);
  /** The lane slot and its version whose address the sender holds. */
  #laneSet = NONE;
  #versionSet = NO_VERSION;
  /** keySerial + 1 under which a lane's GSO sends were refused. */
  readonly #gsoRefused = new Float64Array(LIMIT.lanes);

  constructor(tables: Tables, arena: Arena, memory: NativeMemory) {
    this.#tables = tables;
    this.#arena = arena;
    this.#memory = memory;
    const fd = arena.i32[ArenaHeader.at.udpFd >> 2] ?? -1;
    this.#sender = new MessageSender(fd, arena.u32[ArenaHeader.at.ipv6 >> 2] === 1);
    this.#receiver = new MessageReceiver(fd, {
      address: memory.address + ARENA.rxBuffer,
      bytes: BATCH.messageBytes,
      count: MESSAGES_A_CALL,
    });
  }

  /** As Engine.send. */
  send(train: number): void {
    const { u32 } = this.#arena;
    const word = (ARENA.trains + train * Train.size) >> 2;
    const first = u32[word + (Train.at.first >> 2)] ?? 0;
    const datagrams = u32[word + (Train.at.count >> 2)] ?? 0;
    const lane = u32[word + (Train.at.lane >> 2)] ?? NONE;
    const bytes = u32[word + (Train.at.bytes >> 2)] ?? 0;
    invariant(lane < LIMIT.lanes && datagrams > 0, 'a train without a lane or datagrams is sent');
    if (!this.#setLane(lane)) return this.#drop(DROP['lane-down'], datagrams);
    count(this.#arena, COUNTER.trainsSent, 1);
    if (datagrams === 1 || this.#gsoRefused[lane] === this.#keySerial(lane) + 1) {
      return this.#sendEach(first, datagrams);
    }
    const descriptor = (ARENA.txDatagrams + first * TxDatagram.size) >> 2;
    const offset = u32[descriptor + (TxDatagram.at.offset >> 2)] ?? 0;
    const segmentBytes = u32[descriptor + (TxDatagram.at.length >> 2)] ?? 0;
    const failure = this.#sender.send(this.#memory.address + offset, bytes, segmentBytes);
    if (failure === ERRNO.EIO || failure === ERRNO.EINVAL) {
      count(this.#arena, COUNTER.gsoFallbacks, 1);
      this.#gsoRefused[lane] = this.#keySerial(lane) + 1;
      return this.#sendEach(first, datagrams);
    }
    this.#account(failure, datagrams, bytes);
  }

  /** As PacketIo.sendTo. */
  sendTo(lane: number, endpointOffset: number, offset: number, length: number): void {
    const { bytes, u32 } = this.#arena;
    const addressBytes = u32[(endpointOffset + ENDPOINT_ADDRESS_BYTES) >> 2] ?? 0;
    if (addressBytes === 0) {
      if (!this.#setLane(lane)) return this.#drop(DROP['lane-down'], 1);
    } else {
      this.#laneSet = NONE;
      this.#sender.setDestination(bytes, endpointOffset, Math.min(addressBytes, SOCKADDR_IN6_BYTES));
      this.#sender.setSource(bytes, endpointOffset + ENDPOINT_LOCAL);
    }
    const failure = this.#sender.send(this.#memory.address + offset, length, 0);
    // A probe that is larger than the local link has its answer: no frame was in it.
    if (failure !== ERRNO.EMSGSIZE) this.#account(failure, 1, length);
  }

  /** As Engine.receive. */
  receive(): number {
    const messages = this.#receiver.receive();
    let datagrams = 0;
    let received = 0;
    for (let message = 0; message < messages; message++) {
      const at = ARENA.messages + message * RxMessage.size;
      this.#receiver.parse(
        message,
        this.#arena.bytes,
        at + RxMessage.at.address,
        at + RxMessage.at.localAddress,
      );
      datagrams = this.#split(message, at, datagrams);
      received += this.#receiver.length;
    }
    this.#noteStanding(messages, received);
    count(this.#arena, COUNTER.trainsReceived, messages);
    count(this.#arena, COUNTER.datagramsReceived, datagrams);
    count(this.#arena, COUNTER.datagramBytesReceived, received);
    return datagrams;
  }

  /** How long a queue stands in the socket: what was received in a row without finding it empty. */
  #noteStanding(messages: number, bytes: number): void {
    const { u32 } = this.#arena;
    const word = ArenaHeader.at.standingBytes >> 2;
    const standing = (u32[word] ?? 0) + bytes + messages * MESSAGE_OVERHEAD_BYTES;
    u32[word] = messages < MESSAGES_A_CALL ? 0 : Math.min(standing, 0xffff_ffff);
  }

  /** Lays a descriptor for each datagram of a message; an empty datagram is one, and openLink drops it. */
  #split(message: number, at: number, from: number): number {
    const { u32 } = this.#arena;
    const { length, addressBytes } = this.#receiver;
    const segment = this.#receiver.segmentBytes > 0 ? this.#receiver.segmentBytes : Math.max(length, 1);
    const offset = ARENA.rxBuffer + message * BATCH.messageBytes;
    u32[(at + RxMessage.at.offset) >> 2] = offset;
    u32[(at + RxMessage.at.length) >> 2] = length;
    u32[(at + RxMessage.at.segmentBytes) >> 2] = segment;
    u32[(at + RxMessage.at.addressBytes) >> 2] = addressBytes;
    let index = from;
    for (let done = 0; (done < length || done === 0) && index < BATCH.rxDatagrams; done += segment) {
      const word = (ARENA.rxDatagrams + index * RxDatagram.size) >> 2;
      u32[word + (RxDatagram.at.offset >> 2)] = offset + done;
      u32[word + (RxDatagram.at.length >> 2)] = Math.min(segment, length - done);
      u32[word + (RxDatagram.at.message >> 2)] = message;
      index++;
    }
    return index;
  }

  #sendEach(first: number, datagrams: number): void {
    const { u32 } = this.#arena;
    for (let i = 0; i < datagrams; i++) {
      const word = (ARENA.txDatagrams + (first + i) * TxDatagram.size) >> 2;
      const length = u32[word + (TxDatagram.at.length >> 2)] ?? 0;
      const address = this.#memory.address + (u32[word + (TxDatagram.at.offset >> 2)] ?? 0);
      this.#account(this.#sender.send(address, length, 0), 1, length);
    }
  }

  #account(failure: number, datagrams: number, bytes: number): void {
    if (failure === 0) {
      count(this.#arena, COUNTER.datagramsSent, datagrams);
      count(this.#arena, COUNTER.datagramBytesSent, bytes);
      return;
    }
    const full = failure === ERRNO.EAGAIN || failure === ERRNO.ENOBUFS || failure === ERRNO.ENOMEM;
    this.#drop(full ? DROP['send-full'] : DROP['send-failed'], datagrams);
  }

  /** Gives the lane's address to the sender. False: it has none, or is being written. */
  #setLane(lane: number): boolean {
    const { u32, bytes } = this.#tables;
    const at = TABLE.lanes + lane * Lane.size;
    const version = Atomics.load(u32, at >> 2);
    if (this.#laneSet === lane && this.#versionSet === version) return true;
    for (let attempt = 0; attempt < READ_ATTEMPTS; attempt++) {
      const before = Atomics.load(u32, at >> 2);
      const addressBytes = u32[(at + Lane.at.addressBytes) >> 2] ?? 0;
      for (let i = 0; i < SOCKADDR_IN6_BYTES; i++) this.#address[i] = bytes[at + Lane.at.address + i] ?? 0;
      for (let i = 0; i < 16; i++) this.#source[i] = bytes[at + Lane.at.sourceAddress + i] ?? 0;
      if ((before & 1) !== 0 || Atomics.load(u32, at >> 2) !== before) continue;
      if (addressBytes === 0 || addressBytes > SOCKADDR_IN6_BYTES) return false;
      this.#sender.setDestination(this.#address, 0, addressBytes);
      this.#sender.setSource(this.#source, 0);
      this.#laneSet = lane;
      this.#versionSet = before;
      return true;
    }
    return false;
  }

  #keySerial(lane: number): number {
    return this.#tables.u32[(TABLE.lanes + lane * Lane.size + Lane.at.keySerial) >> 2] ?? 0;
  }

  #drop(code: number, datagrams: number): void {
    this.#arena.counters[code] = (this.#arena.counters[code] ?? 0) + datagrams;
  }
}
