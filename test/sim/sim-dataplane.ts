/**
 * A data plane for simulated nodes: lanes with keys, counters and windows in the sense of protocol.md section 3,
 * without ciphers. It checks what must never happen: two seals under one key and counter, a lane used before
 * it is installed, a datagram that its receiver cannot open although the index is live.
 */
import assert from 'node:assert/strict';
import type {
  DatagramAddress,
  DataplaneEffect,
  InstallLane,
  LaneAllocation,
  LaneAllocator,
  LaneStats,
  SendProbe,
  TrunkId,
} from '../../control/trunk/trunk-port.ts';
import type { Simulation } from './simulation.ts';

/** What a simulated link datagram is on the wire: the key stands for the cipher. */
export interface SimDatagram {
  readonly receiver: number;
  readonly key: string;
  readonly counter: number;
  readonly probe: Uint8Array | undefined;
  readonly frame: unknown;
}

interface SimLane {
  readonly handle: number;
  readonly index: number;
  readonly worker: number;
  installed: InstallLane | undefined;
  address: DatagramAddress | undefined;
  txKey: string;
  rxKey: string;
  counter: number;
  hasAccepted: boolean;
  txDatagrams: number;
  rxDatagrams: number;
}

interface SimTrunk {
  carrier: 'udp' | 'stream' | undefined;
  datagramMtuBytes: number;
  /** Lanes that frames may take, by carrier and number. */
  readonly used: Map<string, SimLane>;
}

/** Each (tx key) domain that any node of the run has ever sealed under. */
export type SealedDomains = Set<string>;

export interface SimDataplaneHost {
  /** @returns false when the carrier cannot take it */
  transmit(
    lane: InstallLane,
    address: DatagramAddress | undefined,
    datagram: SimDatagram,
    sizeBytes: number,
  ): boolean;
}

const LANES_PER_WORKER_MAX = 4_096;

export class SimDataplane implements LaneAllocator {
  readonly trunks = new Map<TrunkId, SimTrunk>();
  readonly lanes = new Map<number, SimLane>();
  readonly #byIndex = new Map<number, SimLane>();
  readonly #simulation: Simulation;
  readonly #sealed: SealedDomains;
  readonly #host: SimDataplaneHost;
  #nextHandle = 1;

  constructor(simulation: Simulation, sealed: SealedDomains, host: SimDataplaneHost) {
    this.#simulation = simulation;
    this.#sealed = sealed;
    this.#host = host;
  }

  allocateLane(worker: number): LaneAllocation | undefined {
    if (this.lanes.size >= LANES_PER_WORKER_MAX) {
      return undefined;
    }
    const handle = this.#nextHandle++;
    const index = (Math.floor(this.#simulation.random() * 2 ** 16) * 2 ** 16 + handle) >>> 0;
    const lane: SimLane = {
      handle,
      index,
      worker,
      installed: undefined,
      address: undefined,
      txKey: '',
      rxKey: '',
      counter: 0,
      hasAccepted: false,
      txDatagrams: 0,
      rxDatagrams: 0,
    };
    this.lanes.set(handle, lane);
    this.#byIndex.set(index, lane);
    return { handle, receiverIndex: index };
  }

  perform(effect: DataplaneEffect): void {
    switch (effect.kind) {
      case 'add-trunk':
        this.trunks.set(effect.trunk, { carrier: undefined, datagramMtuBytes: 0, used: new Map() });
        return;
      case 'set-trunk': {
        const trunk = this.#trunk(effect.trunk);
        trunk.carrier = effect.carrier;
        trunk.datagramMtuBytes = effect.datagramMtuBytes;
        return;
      }
      case 'remove-trunk':
        for (const lane of this.lanes.values()) {
          assert.notEqual(lane.installed?.trunk, effect.trunk, 'a removed trunk still has a lane');
        }
        assert.ok(this.trunks.delete(effect.trunk), 'remove-trunk of an unknown trunk');
        return;
      case 'install-lane':
        this.#install(effect);
        return;
      case 'send-probe':
        this.#sendProbe(effect);
        return;
      default:
        this.#change(effect);
    }
  }

  #change(effect: Exclude<DataplaneEffect, { trunk: TrunkId } | SendProbe>): void {
    const lane = this.#lane(effect.handle);
    const trunk = lane.installed === undefined ? undefined : this.#trunk(lane.installed.trunk);
    const name = `${lane.installed?.carrier}/${lane.installed?.lane}`;
    switch (effect.kind) {
      case 'use-lane':
        assert.ok(trunk, 'use-lane before install-lane');
        assert.ok(
          lane.installed?.carrier === 'stream' || lane.address !== undefined,
          'use-lane without a proven address',
        );
        trunk.used.set(name, lane);
        return;
      case 'rest-lane':
        assert.equal(trunk?.used.get(name), lane, 'rest-lane of a lane that is not in use');
        trunk.used.delete(name);
        return;
      case 'set-lane-address':
        lane.address = effect.address;
        return;
      case 'remove-lane':
        if (trunk?.used.get(name) === lane) {
          trunk.used.delete(name);
        }
        this.lanes.delete(lane.handle);
        this.#byIndex.delete(lane.index);
    }
  }

  /** Sends a frame as the data plane would: on a used lane of the trunk's carrier. @returns whether it went out */
  sendFrame(trunkId: TrunkId, frame: unknown, sizeBytes: number): boolean {
    const trunk = this.trunks.get(trunkId);
    if (trunk?.carrier === undefined) {
      return false;
    }
    const { nowMs } = this.#simulation;
    const lanes = [...trunk.used.values()].filter(({ installed }) => {
      return installed !== undefined && installed.carrier === trunk.carrier && nowMs < installed.notAfterMs;
    });
    const lane = lanes[Math.floor(this.#simulation.random() * lanes.length)];
    if (lane?.installed === undefined) {
      return false;
    }
    lane.txDatagrams += 1;
    const datagram = { ...this.#seal(lane), probe: undefined, frame };
    return this.#host.transmit(
      lane.installed,
      lane.address,
      datagram,
      Math.min(sizeBytes, trunk.datagramMtuBytes),
    );
  }

  /** Opens what came in. @returns the lane, and whether it is the first accepted one; undefined when dropped */
  receive(datagram: SimDatagram): { readonly lane: SimLane; readonly isFirst: boolean } | undefined {
    const lane = this.#byIndex.get(datagram.receiver);
    if (lane?.installed === undefined || this.#simulation.nowMs >= lane.installed.notAfterMs) {
      return undefined;
    }
    assert.equal(datagram.key, lane.rxKey, 'both ends of a lane have different keys');
    const isFirst = !lane.hasAccepted;
    lane.hasAccepted = true;
    if (datagram.probe === undefined) {
      lane.rxDatagrams += 1;
    }
    return { lane, isFirst };
  }

  laneStats(): LaneStats[] {
    return [...this.lanes.values()]
      .filter((lane) => lane.installed !== undefined)
      .map(({ handle, txDatagrams, rxDatagrams, counter }) => ({
        handle,
        txDatagrams,
        rxDatagrams,
        highestCounter: counter,
      }));
  }

  #install(effect: InstallLane): void {
    const lane = this.#lane(effect.handle);
    assert.equal(lane.installed, undefined, 'a lane is installed twice');
    assert.equal(lane.index, effect.localIndex);
    assert.equal(lane.worker, effect.worker);
    this.#trunk(effect.trunk);
    lane.installed = effect;
    lane.address = effect.address;
    lane.txKey = keyText(effect.tx.k1, effect.tx.linkToken);
    lane.rxKey = keyText(effect.rx.k1, effect.rx.linkToken);
    assert.ok(
      !this.#sealed.has(lane.txKey),
      'a key is installed for sealing a second time: its counters would repeat',
    );
    this.#sealed.add(lane.txKey);
  }

  #sendProbe(effect: SendProbe): void {
    const lane = this.#lane(effect.handle);
    assert.ok(lane.installed, 'send-probe before install-lane');
    lane.txDatagrams += 1;
    const datagram = { ...this.#seal(lane), probe: effect.body, frame: undefined };
    this.#host.transmit(lane.installed, effect.address, datagram, effect.body.length + 48);
  }

  #seal(lane: SimLane): { receiver: number; key: string; counter: number } {
    return { receiver: lane.installed?.peerIndex ?? 0, key: lane.txKey, counter: lane.counter++ };
  }

  #lane(handle: number): SimLane {
    const lane = this.lanes.get(handle);
    assert.ok(lane, 'an effect names a lane that is not allocated');
    return lane;
  }

  #trunk(id: TrunkId): SimTrunk {
    const trunk = this.trunks.get(id);
    assert.ok(trunk, 'an effect names a trunk that was not added');
    return trunk;
  }
}

function keyText(key: Uint8Array, token: Uint8Array): string {
  return Buffer.concat([key, token]).toString('hex');
}
