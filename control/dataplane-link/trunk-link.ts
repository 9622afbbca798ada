/**
 * Carries out what the trunk machine wants of the data plane, and tells it what workers report.
 *
 *   trunk driver ──DataplaneEffect──▶ trunk and lane tables, probes
 *   workers ──link, carrier events──▶ probe, lane-accepted, stream datagrams ──▶ trunk driver
 *
 * Main thread only. Must never call the host from inside `perform`.
 *
 * @see docs/protocol.md, "Trunks"
 */
import { DROP } from '../../dataplane/base/drop-code.ts';
import { ENDPOINT_BYTES } from '../../dataplane/contract/ring-message.ts';
import { LIMIT } from '../../dataplane/shm/layout.ts';
import type {
  Carrier,
  DatagramAddress,
  DataplaneEffect,
  InstallLane,
  LaneAllocation,
  LaneHandle,
  LaneStats,
  PeerIdText,
  TrunkChannel,
  TrunkDataplane,
  TrunkDataplaneHost,
  TrunkId,
} from '../trunk/trunk-port.ts';
import { addressText, decodeEndpoint, encodeAddress, encodeEndpoint } from './endpoint.ts';
import type { EventPayload } from './event-pump.ts';
import type { Injector } from './injector.ts';
import { createLaneEntry, hasNewSource, type LaneEntry, newStats, type TrunkEntry } from './lane-entry.ts';
import type { LaneTable } from './lane-table.ts';
import type { TrunkWay } from './neighbours.ts';
import { carrierNumber, type TrunkTable } from './trunk-table.ts';

const RECEIVER_AT = 4;
const LANE_MASK = LIMIT.lanes - 1;
const LINK_LEAST_BYTES = 64;
const TWO_32 = 2 ** 32;

/** What the link works on. */
export interface TrunkLinkParts {
  readonly workerCount: number;
  /** The datagram sockets are IPv6 ones. */
  readonly ipv6: boolean;
  readonly lanes: LaneTable;
  readonly trunks: TrunkTable;
  readonly injector: Injector;
  /** Drops on the main thread, f64 by drop code. */
  readonly drops: Float64Array;
  /** The trunk of a peer came, went, or changed its carrier or size; called from inside `perform`. */
  trunkChanged(peer: PeerIdText, trunk: TrunkWay | undefined): void;
  /** A lane carries frames from now; called from inside `perform`. */
  laneUsed(): void;
}

/** See the file's head. */
export class TrunkLink implements TrunkDataplane {
  readonly #parts: TrunkLinkParts;
  readonly #byHandle = new Map<LaneHandle, LaneEntry>();
  readonly #bySlot = new Map<number, LaneEntry>();
  readonly #trunks = new Map<TrunkId, TrunkEntry>();
  readonly #trunkBySlot = new Map<number, TrunkEntry>();
  #host: TrunkDataplaneHost | undefined;
  #nextHandle = 0;

  constructor(parts: TrunkLinkParts) {
    this.#parts = parts;
  }

  get workerCount(): number {
    return this.#parts.workerCount;
  }

  attach(host: TrunkDataplaneHost): void {
    this.#host = host;
  }

  /** Says something to a neighbour on its trunk's control stream. */
  sendBody(peer: PeerIdText, channel: TrunkChannel, body: Uint8Array): void {
    this.#host?.sendBody(peer, channel, body);
  }

  allocateLane(worker: number): LaneAllocation | undefined {
    const allocated = this.#parts.lanes.allocate();
    if (allocated === undefined || worker >= this.#parts.workerCount) {
      return undefined;
    }
    const { slot, receiverIndex } = allocated;
    const handle = ++this.#nextHandle;
    const entry = createLaneEntry({ handle, slot, worker, receiverIndex });
    this.#byHandle.set(handle, entry);
    this.#bySlot.set(slot, entry);
    return { handle, receiverIndex };
  }

  perform(effect: DataplaneEffect): void {
    switch (effect.kind) {
      case 'add-trunk':
        return this.#addTrunk(effect.trunk, effect.peer);
      case 'set-trunk':
        return this.#setTrunk(effect.trunk, effect.carrier, effect.datagramMtuBytes);
      case 'remove-trunk':
        return this.#removeTrunk(effect.trunk);
      case 'install-lane':
        return this.#installLane(effect);
      case 'use-lane':
        return this.#useLane(effect.handle, true);
      case 'rest-lane':
        return this.#useLane(effect.handle, false);
      case 'set-lane-address':
        return this.#setAddress(effect.handle, effect.address);
      case 'remove-lane':
        return this.#removeLane(effect.handle);
      case 'send-probe':
        return this.#sendProbe(effect.handle, effect.address, effect.body);
    }
  }

  laneStats(): readonly LaneStats[] {
    const stats: LaneStats[] = [];
    for (const entry of this.#byHandle.values()) {
      const fresh = entry.installed && newStats(entry, this.#parts.lanes.totals(entry.slot));
      if (fresh !== undefined) {
        stats.push(fresh);
      }
    }
    return stats;
  }

  deliverStream(trunk: TrunkId, bytes: Uint8Array, offset: number, length: number): void {
    if (length < LINK_LEAST_BYTES) {
      return this.#drop('datagram-short');
    }
    const index = new DataView(bytes.buffer, bytes.byteOffset).getUint32(offset + RECEIVER_AT, true);
    const entry = this.#bySlot.get(index & LANE_MASK);
    if (entry?.installed === undefined || entry.receiverIndex !== index) {
      return this.#drop('receiver-unknown');
    }
    if (entry.installed.carrier !== 'stream' || entry.installed.trunk !== trunk) {
      return this.#drop('carrier-mismatch');
    }
    this.#parts.injector.carrier(entry.worker, entry.slot, { bytes, offset, length });
  }

  /** Lanes that have accepted their first datagram since the last call; call it often. */
  pollAccepted(): void {
    for (const entry of this.#byHandle.values()) {
      if (
        !entry.accepted &&
        entry.installed !== undefined &&
        this.#parts.lanes.totals(entry.slot).rxAccepted > 0
      ) {
        this.#accepted(entry);
      }
    }
  }

  /** A worker has died: none of its lanes may seal again. Call it before the worker is restarted. */
  workerDied(worker: number): void {
    for (const entry of this.#byHandle.values()) {
      if (entry.worker === worker && entry.installed !== undefined) {
        this.#parts.lanes.stop(entry.slot);
      }
    }
  }

  /** The worker runs again: the trunk machine makes new lanes for it. */
  workerRestarted(worker: number): void {
    this.#host?.input({ kind: 'worker-restarted', worker });
  }

  /** A probe opened. Payload: endpoint ‖ body. */
  probeReceived(slot: number, payload: EventPayload): void {
    const entry = this.#bySlot.get(slot);
    if (entry?.installed === undefined || payload.length < ENDPOINT_BYTES) {
      return;
    }
    entry.probes++;
    this.#accepted(entry);
    const { source, local } = decodeEndpoint(payload.bytes, payload.offset);
    if (source !== undefined) {
      this.#heard(entry, source, local);
    }
    const body = payload.bytes.slice(payload.offset + ENDPOINT_BYTES, payload.offset + payload.length);
    const stream = entry.installed.carrier === 'stream';
    this.#host?.input({ kind: 'probe', handle: entry.handle, source: stream ? undefined : source, body });
  }

  /**
   * This node's addresses have changed: lanes send no longer from those that are gone. Where the kernel sends from
   * instead, the peer's next probe shows.
   */
  keepSources(ownIps: ReadonlySet<string>): void {
    for (const entry of this.#byHandle.values()) {
      entry.sources.keepOnly(ownIps);
      this.#refreshSource(entry);
    }
  }

  /** A worker closed a datagram for a stream carrier. */
  carrierDatagram(trunkSlot: number, payload: EventPayload): void {
    const trunk = this.#trunkBySlot.get(trunkSlot);
    const sent =
      trunk !== undefined &&
      this.#host?.sendStream(trunk.id, payload.bytes, payload.offset, payload.length) === true;
    if (!sent) {
      this.#drop('carrier-queue-full');
    }
  }

  /** Totals of a trunk's present lanes, for status. */
  trunkBytes(trunk: TrunkId): { readonly sent: number; readonly received: number } {
    let [sent, received] = [0, 0];
    for (const entry of this.#trunks.get(trunk)?.lanes ?? []) {
      const totals = this.#parts.lanes.totals(entry.slot);
      sent += totals.txBytes;
      received += totals.rxBytes;
    }
    return { sent, received };
  }

  #addTrunk(id: TrunkId, peer: PeerIdText): void {
    const slot = this.#parts.trunks.add();
    if (slot === undefined) {
      return;
    }
    const entry: TrunkEntry = { id, peer, slot, carrier: undefined, lanes: new Set() };
    this.#trunks.set(id, entry);
    this.#trunkBySlot.set(slot, entry);
    this.#parts.trunkChanged(peer, { slot, carrier: undefined, datagramMtuBytes: 0 });
  }

  #setTrunk(id: TrunkId, carrier: Carrier | undefined, datagramMtuBytes: number): void {
    const trunk = this.#trunks.get(id);
    if (trunk !== undefined) {
      trunk.carrier = carrier;
      // Lanes first: with the new carrier's size goes a lane that takes it.
      this.#publishLanes(trunk);
      this.#parts.trunks.setCarrier(trunk.slot, carrier, datagramMtuBytes);
      this.#parts.trunkChanged(trunk.peer, { slot: trunk.slot, carrier, datagramMtuBytes });
    }
  }

  #removeTrunk(id: TrunkId): void {
    const trunk = this.#trunks.get(id);
    if (trunk !== undefined) {
      this.#trunks.delete(id);
      this.#trunkBySlot.delete(trunk.slot);
      this.#parts.trunkChanged(trunk.peer, undefined);
      this.#parts.trunks.remove(trunk.slot);
    }
  }

  #installLane(effect: InstallLane): void {
    const entry = this.#byHandle.get(effect.handle);
    const trunk = this.#trunks.get(effect.trunk);
    if (entry === undefined || trunk === undefined) {
      return;
    }
    entry.installed = effect;
    trunk.lanes.add(entry);
    this.#parts.lanes.install(entry.slot, {
      generation: effect.generation,
      worker: entry.worker,
      trunk: trunk.slot,
      carrier: carrierNumber(effect.carrier),
      localIndex: effect.localIndex,
      peerIndex: effect.peerIndex,
      rx: effect.rx,
      tx: effect.tx,
      notAfterMs: Math.floor(effect.notAfterMs) % TWO_32,
    });
    if (effect.address !== undefined) {
      this.#setAddress(effect.handle, effect.address);
    }
  }

  #useLane(handle: LaneHandle, used: boolean): void {
    const entry = this.#byHandle.get(handle);
    if (entry?.installed === undefined) {
      return;
    }
    entry.used = used;
    this.#parts.lanes.setSending(entry.slot, used);
    const trunk = this.#trunks.get(entry.installed.trunk);
    if (trunk !== undefined) {
      // In the set, the lane that was used last comes last, and wins its number.
      trunk.lanes.delete(entry);
      trunk.lanes.add(entry);
      this.#publishLanes(trunk);
    }
    if (used) {
      this.#parts.laneUsed();
    }
  }

  #setAddress(handle: LaneHandle, address: DatagramAddress): void {
    const entry = this.#byHandle.get(handle);
    const encoded = encodeAddress(address, this.#parts.ipv6);
    if (entry?.installed === undefined || encoded === undefined) {
      return;
    }
    entry.address = address;
    entry.source = entry.sources.find(addressText(address));
    this.#parts.lanes.setAddress(entry.slot, { address: encoded, source: entry.source });
  }

  /** The peer's datagrams come from `source`, to our address `local`: what we send there leaves from that one. */
  #heard(entry: LaneEntry, source: DatagramAddress, local: Uint8Array): void {
    entry.sources.remember(source, local);
    this.#refreshSource(entry);
  }

  #refreshSource(entry: LaneEntry): void {
    if (entry.address !== undefined && hasNewSource(entry)) {
      this.#setAddress(entry.handle, entry.address);
    }
  }

  #removeLane(handle: LaneHandle): void {
    const entry = this.#byHandle.get(handle);
    if (entry === undefined) {
      return;
    }
    this.#byHandle.delete(handle);
    this.#bySlot.delete(entry.slot);
    const trunk = entry.installed === undefined ? undefined : this.#trunks.get(entry.installed.trunk);
    if (trunk?.lanes.delete(entry) === true) {
      this.#publishLanes(trunk);
    }
    this.#parts.lanes.remove(entry.slot);
  }

  #sendProbe(handle: LaneHandle, address: DatagramAddress | undefined, body: Uint8Array): void {
    const entry = this.#byHandle.get(handle);
    if (entry?.installed === undefined) {
      return;
    }
    const source = address === undefined ? undefined : entry.sources.find(addressText(address));
    const endpoint = encodeEndpoint(address, source, this.#parts.ipv6);
    if (endpoint !== undefined) {
      this.#parts.injector.probe(entry.worker, entry.slot, endpoint, body);
    }
  }

  /** The lanes that carry the trunk's frames now: those in use, of its carrier. */
  #publishLanes(trunk: TrunkEntry): void {
    const lanes: (number | undefined)[] = [];
    for (const entry of trunk.lanes) {
      const { installed } = entry;
      if (installed !== undefined && entry.used && installed.carrier === trunk.carrier) {
        lanes[installed.lane] = entry.slot;
      }
    }
    this.#parts.trunks.setLanes(trunk.slot, Array.from(lanes));
  }

  #accepted(entry: LaneEntry): void {
    if (!entry.accepted) {
      entry.accepted = true;
      this.#host?.input({ kind: 'lane-accepted', handle: entry.handle });
    }
  }

  #drop(name: 'datagram-short' | 'receiver-unknown' | 'carrier-mismatch' | 'carrier-queue-full'): void {
    const code = DROP[name];
    this.#parts.drops[code] = (this.#parts.drops[code] ?? 0) + 1;
  }
}
