/**
 * All trunks of a node as one sans-I/O machine: `handle(input, nowMs)` returns effects (trunk-port.ts).
 *
 * Main thread. It has no clock, socket, timer or randomness of its own: time comes with each input, and random
 * bytes and keys through its ports. It only sorts inputs; what they do is in the files named here:
 * peer-streams.ts (reaching a peer), control-messages.ts and exchange.ts (handshake), lane-probing.ts (probes),
 * trunk.ts (lanes, carriers), meet.ts (shared VLANs), settling.ts (what is due). Nothing that a peer sends makes it throw.
 */
import { handleMessage } from './control-messages.ts';
import { handleDataplane } from './dataplane-inputs.ts';
import { findShared, sendMeet } from './meet.ts';
import { meetKeyOf } from './meet-tags.ts';
import type { DialFailedInput } from './network-port.ts';
import { isCircuitChange, toldListen } from './own-addresses.ts';
import { dropPending, endTrunk, expelPeer, type Peer, PeerTable, sendMessage } from './peer.ts';
import {
  closeStream,
  handleConnected,
  handleDialFailed,
  handleDisconnected,
  handleStreamFailed,
  handleStreamOpened,
  retrySoon,
} from './peer-streams.ts';
import { askAnew, forgiveSilence } from './probe-schedule.ts';
import { RelayChoice } from './relay-choice.ts';
import { settlePeer } from './settling.ts';
import type { Trunk } from './trunk.ts';
import { DEFAULT_TRUNK_CONFIG, type TrunkConfig } from './trunk-config.ts';
import { hexText, TrunkContext, type TrunkCounter, type TrunkPorts } from './trunk-context.ts';
import type {
  LocalInput,
  PeerIdText,
  SendBodyInput,
  SetAddressesInput,
  SetPeersInput,
  SetVlansInput,
  TrunkEffect,
  TrunkInput,
} from './trunk-port.ts';
import { peerStatus, type TrunkStatus } from './trunk-status.ts';
import { UnnamedPeers } from './unnamed-peers.ts';
import { VlanNetworks } from './vlan-networks.ts';

/** A wake-up this late means that the process stood still, not that peers were silent. */
const PAUSE_MS = 500;
/**
 * Times are multiples of 1/1024 ms: sums and differences of such numbers are exact, so that `now - then >= d`
 * and `now >= then + d` never disagree, and a tick that was asked for always finds its work.
 */
const TIME_STEPS = 1_024;

export class TrunkMachine {
  readonly #context: TrunkContext;
  readonly #table = new PeerTable();
  readonly #unnamed = new UnnamedPeers();
  readonly #touched = new Set<Peer>();
  readonly #relays = new RelayChoice();
  #named: SetPeersInput['peers'] = [];
  #addresses: SetAddressesInput | undefined;
  #vlanNetworks = '';
  #stopped = false;

  constructor(ports: TrunkPorts, config: Partial<TrunkConfig> = {}) {
    this.#context = new TrunkContext(ports, { ...DEFAULT_TRUNK_CONFIG, ...config });
  }

  /**
   * Takes one input.
   *
   * @param clockMs - CLOCK_MONOTONIC in ms, never less than at the last call
   * @returns what to carry out, in this order
   */
  handle(input: TrunkInput, clockMs: number): TrunkEffect[] {
    const context = this.#context;
    const nowMs = Math.floor(clockMs * TIME_STEPS) / TIME_STEPS;
    context.paused = nowMs - this.nextTimeoutMs() > PAUSE_MS;
    context.nowMs = nowMs;
    if (context.paused) {
      this.#forgive();
    }
    this.#dispatch(input);
    this.#settle();
    return context.takeEffects();
  }

  /** @returns when the next `tick` is due, on the clock of `nowMs`; Infinity when nothing waits for time */
  nextTimeoutMs(): number {
    let atMs = this.#stopped ? Number.POSITIVE_INFINITY : this.#unnamed.nextAtMs();
    for (const peer of this.#table.peers.values()) {
      atMs = Math.min(atMs, peer.nextAtMs);
    }
    return Math.ceil(atMs * TIME_STEPS) / TIME_STEPS;
  }

  /** @returns a row for each peer that is configured or connected */
  status(): TrunkStatus[] {
    return [...this.#table.peers.values()].map((peer) => peerStatus(this.#context, peer));
  }

  /** @returns what was counted since start, by name */
  counters(): ReadonlyMap<TrunkCounter, number> {
    return this.#context.counters;
  }

  /** @returns each trunk peer's unix clock less ours, in ms */
  clockOffsetsMs(): number[] {
    return [...this.#table.peers.values()].flatMap(({ trunk }) =>
      trunk === undefined ? [] : (clockOffsetOf(trunk) ?? []),
    );
  }

  /** @returns how much it remembers, for tests of bounded memory */
  sizes(): {
    readonly peers: number;
    readonly streams: number;
    readonly lanes: number;
    readonly connections: number;
  } {
    const { peers, streams, connections } = this.#table;
    return {
      peers: peers.size,
      streams: streams.size,
      lanes: this.#context.lanes.size,
      connections: connections.size,
    };
  }

  #dispatch(input: TrunkInput): void {
    const [context, table] = [this.#context, this.#table];
    switch (input.kind) {
      case 'connected':
        this.#touch(handleConnected(context, table, input));
        return;
      case 'disconnected':
        this.#touch(handleDisconnected(context, table, input));
        return;
      case 'peer-named':
        this.#unnamed.nameKnown(input.address, input.peer);
        this.#configurePeers();
        return;
      case 'dial-failed':
        this.#handleDialFailed(input);
        return;
      case 'stream-failed':
        this.#touch(handleStreamFailed(context, table, input));
        return;
      case 'stream-closed':
        this.#touch(closeStream(context, table, input));
        return;
      case 'stream-opened': {
        const { peer, isNewControl } = handleStreamOpened(context, table, input);
        this.#touch(peer);
        if (isNewControl && peer.isInitiator) {
          peer.wanted = 'all';
        }
        if (isNewControl && peer.trunk !== undefined) {
          context.emit({ kind: 'trunk-stream', trunk: peer.trunk.id, peer: peer.id });
        }
        return;
      }
      case 'authorised':
        this.#expelOthers(new Set(input.peers));
        return;
      case 'message':
        this.#touch(handleMessage(context, table, input));
        return;
      case 'probe':
      case 'lane-accepted':
      case 'lane-stats':
      case 'worker-restarted':
        handleDataplane(context, table, input, (peer) => this.#touch(peer));
        return;
      default:
        this.#handleLocal(input);
    }
  }

  #handleLocal(input: LocalInput): void {
    const context = this.#context;
    switch (input.kind) {
      case 'set-peers':
        this.#named = input.peers;
        this.#unnamed.set(context, input.unnamed ?? []);
        this.#configurePeers();
        return;
      case 'set-vlans':
        this.#setVlans(input);
        return;
      case 'set-addresses':
        this.#setAddresses(input);
        return;
      case 'send-body':
        this.#sendBody(input);
        return;
      case 'stop':
        this.#stop();
        return;
      case 'tick':
        for (const peer of this.#table.peers.values()) {
          if (peer.nextAtMs <= context.nowMs) {
            this.#touch(peer);
          }
        }
    }
  }

  #handleDialFailed(input: DialFailedInput): void {
    if (input.peer === undefined) {
      this.#unnamed.dialFailed(this.#context, input.address ?? '', input.reason);
      return;
    }
    this.#touch(handleDialFailed(this.#context, this.#table, input.peer, input.reason));
    if (this.#unnamed.forgetName(this.#context, this.#table, input.peer)) {
      this.#configurePeers();
    }
  }

  #configurePeers(): void {
    const wanted = this.#unnamed.named();
    for (const { peer, addresses } of this.#named) {
      wanted.set(peer, [...addresses, ...(wanted.get(peer) ?? [])]);
    }
    wanted.delete(this.#context.ports.self);
    this.#context.emit({ kind: 'want-peers', peers: [...wanted.keys()] });
    for (const id of wanted.keys()) {
      this.#table.obtain(this.#context, id);
    }
    for (const peer of this.#table.peers.values()) {
      peer.configured = wanted.has(peer.id);
      peer.addresses = wanted.get(peer.id) ?? [];
      this.#touch(peer);
    }
  }

  /** A peer that has lost its right to connect keeps no trunk either, though its datagrams need no connection. */
  #expelOthers(authorised: ReadonlySet<PeerIdText>): void {
    for (const peer of this.#table.peers.values()) {
      if (!authorised.has(peer.id)) {
        expelPeer(this.#context, this.#table, peer);
        this.#touch(peer);
      }
    }
  }

  #setVlans(input: SetVlansInput): void {
    const context = this.#context;
    context.vlans = new Map(input.vlans.map((id) => [hexText(id), { id, meetKey: meetKeyOf(id) }]));
    for (const peer of this.#table.peers.values()) {
      if (peer.trunk !== undefined) {
        sendMeet(context, peer);
        findShared(context, peer.trunk);
        this.#touch(peer);
      }
    }
  }

  #sendBody({ peer: id, channel, body }: SendBodyInput): void {
    const peer = this.#table.peers.get(id);
    if (peer?.trunk !== undefined) {
      sendMessage(this.#context, peer, { kind: 'body', channel, body });
    }
  }

  #setAddresses(input: SetAddressesInput): void {
    const context = this.#context;
    const hasMoved = !isCircuitChange(this.#addresses, input);
    this.#addresses = input;
    context.datagramAddresses = input.datagram.slice(0, context.config.candidatesMax - 1);
    context.datagramPort = input.datagramPort;
    this.#setVlanNetworks(input.vlanNetworks ?? []);
    context.listenAddresses = toldListen(input.listen, context.config.candidatesMax);
    if (hasMoved) {
      context.observed.clear();
      this.#roam();
    }
  }

  #setVlanNetworks(networks: readonly string[]): void {
    if (networks.join() !== this.#vlanNetworks) {
      this.#vlanNetworks = networks.join();
      this.#context.vlanNetworks = new VlanNetworks(networks);
      this.#context.emit({ kind: 'avoid-networks', networks });
    }
  }

  /** Connections and paths from the old addresses may be dead, and nothing but their silence would tell. */
  #roam(): void {
    const context = this.#context;
    if (this.#table.connections.size > 0) {
      context.emit({ kind: 'check-connections' });
    }
    for (const peer of this.#table.peers.values()) {
      if (peer.trunk !== undefined) {
        askAnew(context, peer.trunk);
      }
      retrySoon(context, peer);
      this.#touch(peer);
    }
  }

  #stop(): void {
    const context = this.#context;
    this.#stopped = true;
    for (const peer of this.#table.peers.values()) {
      peer.configured = false;
      sendMessage(context, peer, { kind: 'bye', code: 'going-away', detail: 'the node is stopping' });
      dropPending(context, peer);
      endTrunk(context, this.#table, peer, 'stopped');
      if (peer.stream !== undefined) {
        context.emit({ kind: 'close-stream', stream: peer.stream.id, abort: false });
        this.#table.streams.delete(peer.stream.id);
        peer.stream = undefined;
      }
      this.#touch(peer);
    }
  }

  #settle(): void {
    const [context, table] = [this.#context, this.#table];
    for (const peer of this.#touched) {
      if (this.#stopped) {
        peer.nextAtMs = Number.POSITIVE_INFINITY;
        table.release(peer);
      } else {
        peer.circuits = this.#relays.circuitsTo(peer.id);
        settlePeer(context, table, peer);
        this.#relays.note(peer);
      }
    }
    this.#touched.clear();
    if (!this.#stopped) {
      this.#relays.tell(context);
      this.#unnamed.reachOut(context);
    }
  }

  #touch(peer: Peer | undefined): void {
    if (peer !== undefined) {
      this.#touched.add(peer);
    }
  }

  #forgive(): void {
    for (const peer of this.#table.peers.values()) {
      if (peer.trunk !== undefined) {
        forgiveSilence(peer.trunk);
        peer.trunk.silentSinceMs = undefined;
      }
      if (Number.isFinite(peer.deadlineMs)) {
        peer.deadlineMs = Math.max(peer.deadlineMs, this.#context.nowMs + PAUSE_MS);
      }
    }
  }
}

function clockOffsetOf(trunk: Trunk): number | undefined {
  for (const slot of [...trunk.slots.udp, ...trunk.slots.stream]) {
    const offset = slot.current?.path.clockOffsetMs;
    if (offset !== undefined) {
      return offset;
    }
  }
  return undefined;
}
