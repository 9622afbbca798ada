/**
 * A simulated node: the real trunk machine over a virtual network and a virtual data plane.
 *
 * Other sans-I/O machines join it by `onNotice` (trunks that come and go, shared VLANs), `onFrame` (what
 * arrives) and `sendFrame`. A crash forgets everything but the node's name and address; `start` begins anew.
 */
import assert from 'node:assert/strict';
import type { NetworkInput, StreamId } from '../../control/trunk/network-port.ts';
import type { TrunkConfig } from '../../control/trunk/trunk-config.ts';
import { TrunkMachine } from '../../control/trunk/trunk-machine.ts';
import type {
  DatagramAddress,
  InstallLane,
  NoticeEffect,
  PeerIdText,
  TrunkEffect,
  TrunkId,
  TrunkInput,
} from '../../control/trunk/trunk-port.ts';
import type { TrunkStatus } from '../../control/trunk/trunk-status.ts';
import { createSimCrypto } from './sim-crypto.ts';
import { type SealedDomains, type SimDatagram, SimDataplane } from './sim-dataplane.ts';
import type { Simulation } from './simulation.ts';
import type { VirtualHost, VirtualNetwork } from './virtual-network.ts';

export interface SimNodeOptions {
  readonly id: PeerIdText;
  readonly ip: string;
  readonly workerCount: number;
  readonly config?: Partial<TrunkConfig>;
}

export interface SimWorld {
  readonly simulation: Simulation;
  readonly network: VirtualNetwork;
  readonly sealed: SealedDomains;
}

const DATAGRAM_PORT = 7_947;
const STATS_MS = 250;
/** A machine that asks for the same instant this often is in a loop. */
const TICKS_AT_ONCE_MAX = 50;

export class SimNode implements VirtualHost {
  readonly id: PeerIdText;
  ip: string;
  isAlive = false;
  machine: TrunkMachine;
  dataplane: SimDataplane;
  /** Trunks that are up, by peer, and the VLANs that each shares. */
  readonly up = new Map<PeerIdText, TrunkId>();
  readonly shared = new Map<PeerIdText, readonly Uint8Array[]>();
  readonly logs: string[] = [];
  onNotice: (effect: NoticeEffect) => void = () => undefined;
  onFrame: (from: TrunkId, frame: unknown) => void = () => undefined;
  readonly #world: SimWorld;
  readonly #options: SimNodeOptions;
  readonly #carriers = new Map<TrunkId, StreamId>();
  #peers: readonly { readonly peer: PeerIdText; readonly addresses: readonly string[] }[] = [];
  #vlans: readonly Uint8Array[] = [];
  #life = 0;
  #wakeAtMs = Number.POSITIVE_INFINITY;
  #ticksAtOnce = 0;
  #isPaused = false;
  readonly #held: TrunkInput[] = [];

  constructor(world: SimWorld, options: SimNodeOptions) {
    this.id = options.id;
    this.ip = options.ip;
    this.#world = world;
    this.#options = options;
    this.dataplane = this.#createDataplane();
    this.machine = this.#createMachine();
    world.network.add(this);
  }

  start(): void {
    if (this.isAlive) {
      return;
    }
    this.#life += 1;
    this.isAlive = true;
    this.dataplane = this.#createDataplane();
    this.machine = this.#createMachine();
    this.input({ kind: 'set-addresses', datagramPort: DATAGRAM_PORT, datagram: [], listen: [this.ip] });
    this.input({ kind: 'set-vlans', vlans: this.#vlans });
    this.input({ kind: 'set-peers', peers: this.#peers });
    this.#pollStats(this.#life);
  }

  /** As kill -9 would: nothing is said to anyone by the process; its kernel resets the connections. */
  crash(): void {
    this.#life += 1;
    this.isAlive = false;
    this.up.clear();
    this.shared.clear();
    this.#carriers.clear();
    this.#wakeAtMs = Number.POSITIVE_INFINITY;
    this.#world.network.crash(this);
  }

  roam(ip: string): void {
    this.ip = ip;
    this.#world.network.roamed(this);
    this.input({ kind: 'set-addresses', datagramPort: DATAGRAM_PORT, datagram: [], listen: [ip] });
  }

  /** As SIGSTOP and SIGCONT would: what arrives meanwhile is handled afterwards, all at once. */
  pause(durationMs: number): void {
    const life = this.#life;
    this.#isPaused = true;
    this.#world.simulation.after(durationMs, () => {
      this.#isPaused = false;
      for (const input of this.#held.splice(0)) {
        if (this.#life === life) {
          this.input(input);
        }
      }
    });
  }

  setPeers(peers: readonly SimNode[]): void {
    this.#peers = peers.map((peer) => ({ peer: peer.id, addresses: [peer.ip] }));
    if (this.isAlive) {
      this.input({ kind: 'set-peers', peers: this.#peers });
    }
  }

  setVlans(vlans: readonly Uint8Array[]): void {
    this.#vlans = vlans;
    if (this.isAlive) {
      this.input({ kind: 'set-vlans', vlans });
    }
  }

  /** @returns whether the frame left this node */
  sendFrame(peer: PeerIdText, frame: unknown, sizeBytes = 200): boolean {
    const trunk = this.up.get(peer);
    return trunk !== undefined && this.dataplane.sendFrame(trunk, frame, sizeBytes);
  }

  statusOf(peer: PeerIdText): TrunkStatus | undefined {
    return this.machine.status().find((row) => row.peer === peer);
  }

  input(input: TrunkInput): void {
    if (!this.isAlive) {
      return;
    }
    if (this.#isPaused) {
      this.#held.push(input);
      return;
    }
    const effects = this.machine.handle(input, this.#world.simulation.nowMs);
    for (const effect of effects) {
      this.#perform(effect);
    }
    this.#scheduleTick();
  }

  networkInput(input: NetworkInput): void {
    this.input(input);
  }

  datagram(from: DatagramAddress, to: DatagramAddress, payload: unknown): void {
    assert.ok(
      to.port >= DATAGRAM_PORT && to.port < DATAGRAM_PORT + this.#options.workerCount,
      'a datagram to a port that no worker has',
    );
    this.#receive(payload as SimDatagram, from);
  }

  streamData(_stream: number, payload: unknown): void {
    this.#receive(payload as SimDatagram, undefined);
  }

  #receive(datagram: SimDatagram, source: DatagramAddress | undefined): void {
    const opened = this.dataplane.receive(datagram);
    if (opened === undefined) {
      return;
    }
    const { lane, isFirst } = opened;
    if (isFirst) {
      this.input({ kind: 'lane-accepted', handle: lane.handle });
    }
    if (datagram.probe !== undefined) {
      this.input({ kind: 'probe', handle: lane.handle, source, body: datagram.probe });
    } else if (lane.installed !== undefined) {
      this.onFrame(lane.installed.trunk, datagram.frame);
    }
  }

  #transmit(
    lane: InstallLane,
    address: DatagramAddress | undefined,
    datagram: SimDatagram,
    sizeBytes: number,
  ): boolean {
    const { network } = this.#world;
    if (lane.carrier === 'stream') {
      const stream = this.#carriers.get(lane.trunk);
      return stream !== undefined && network.sendData(this, stream, datagram);
    }
    if (address === undefined) {
      return false;
    }
    network.sendDatagram(
      this,
      { ip: this.ip, port: DATAGRAM_PORT + lane.worker },
      address,
      datagram,
      sizeBytes,
    );
    return true;
  }

  #perform(effect: TrunkEffect): void {
    const { network } = this.#world;
    switch (effect.kind) {
      case 'dial':
        network.dial(this, effect.peer, effect.addresses);
        return;
      case 'dial-unnamed':
        assert.fail('simulated peers all have names');
        break;
      case 'open-stream':
        network.open(this, effect.connection, effect.protocol);
        return;
      case 'send-message':
        network.send(this, effect.stream, effect.message);
        return;
      case 'close-stream':
        network.close(this, effect.stream);
        return;
      case 'disconnect':
        network.disconnect(effect.connection);
        return;
      case 'check-connections':
      case 'watch-connection':
      case 'want-peers':
      case 'want-relays':
      case 'avoid-networks':
        // The virtual network cuts the connections of a node that moves by itself.
        return;
      case 'bind-carrier':
        if (effect.stream === undefined) {
          this.#carriers.delete(effect.trunk);
        } else {
          this.#carriers.set(effect.trunk, effect.stream);
        }
        return;
      case 'log':
      case 'trunk-up':
      case 'trunk-back':
      case 'trunk-down':
      case 'vlans-shared':
      case 'trunk-stream':
      case 'trunk-cost':
      case 'body':
        this.#note(effect);
        return;
      default:
        this.dataplane.perform(effect);
    }
  }

  #note(effect: NoticeEffect): void {
    if (effect.kind === 'log') {
      this.logs.push(
        `${this.#world.simulation.nowMs.toFixed(0)} ${this.id} ${effect.code}: ${effect.message}`,
      );
    } else if (effect.kind === 'trunk-up') {
      assert.ok(!this.up.has(effect.peer), 'two live trunks with one peer');
      this.up.set(effect.peer, effect.trunk);
    } else if (effect.kind === 'trunk-down') {
      assert.equal(this.up.get(effect.peer), effect.trunk);
      this.up.delete(effect.peer);
      this.shared.delete(effect.peer);
    } else if (effect.kind === 'trunk-back') {
      assert.equal(this.up.get(effect.peer), effect.trunk, 'a trunk that is not up gets through again');
    } else if (effect.kind === 'vlans-shared') {
      assert.equal(this.up.get(effect.peer), effect.trunk, 'shared VLANs of a trunk that is not up');
      this.shared.set(effect.peer, effect.vlans);
    }
    this.onNotice(effect);
  }

  #scheduleTick(): void {
    const { simulation } = this.#world;
    const atMs = Math.max(this.machine.nextTimeoutMs(), simulation.nowMs);
    if (!Number.isFinite(atMs) || atMs >= this.#wakeAtMs) {
      return;
    }
    this.#wakeAtMs = atMs;
    const life = this.#life;
    simulation.after(atMs - simulation.nowMs, () => {
      if (this.#life !== life || this.#wakeAtMs !== atMs) {
        return;
      }
      this.#wakeAtMs = Number.POSITIVE_INFINITY;
      this.#tick();
    });
  }

  #tick(): void {
    const { nowMs } = this.#world.simulation;
    this.input({ kind: 'tick' });
    this.#ticksAtOnce = this.#wakeAtMs <= nowMs ? this.#ticksAtOnce + 1 : 0;
    assert.ok(
      this.#ticksAtOnce < TICKS_AT_ONCE_MAX,
      'the machine asks for a tick at the present time for ever',
    );
  }

  #pollStats(life: number): void {
    this.#world.simulation.after(STATS_MS, () => {
      if (this.#life === life) {
        this.input({ kind: 'lane-stats', lanes: this.dataplane.laneStats() });
        this.#pollStats(life);
      }
    });
  }

  #createDataplane(): SimDataplane {
    const { simulation, sealed } = this.#world;
    return new SimDataplane(simulation, sealed, {
      transmit: (lane, address, datagram, sizeBytes) => this.#transmit(lane, address, datagram, sizeBytes),
    });
  }

  #createMachine(): TrunkMachine {
    const { simulation } = this.#world;
    const ports = {
      self: this.id,
      workerCount: this.#options.workerCount,
      lanes: this.dataplane,
      crypto: createSimCrypto(simulation),
      unixOffsetMs: () => 1_700_000_000_000,
    };
    return new TrunkMachine(ports, this.#options.config);
  }
}
