/**
 * All trunks of a node as one sans-I/O machine: `handle(input, nowMs)` returns effects (trunk-port.ts).
 *
 * Main thread. It has no clock, socket, timer or randomness of its own: time comes with each input, and random
 * bytes and keys through its ports. It only sorts inputs; what they do is in the files named here:
 * peer-streams.ts (reaching a peer), exchange.ts (handshake), lane-probing.ts (probes), trunk.ts (lanes,
 * carriers), meet.ts (shared VLANs). Nothing that a peer sends makes it throw.
 */
import { handleHello, handleHelloReply, startExchange } from './exchange.ts';
import { acceptLane, forgiveSilence, handleLaneStats, handleProbe, probeAtMs, probeTrunk } from './lane-probing.ts';
import { findShared, handleMeet, sendMeet, tellShared } from './meet.ts';
import { meetKeyOf } from './meet-tags.ts';
import { decodeTrunkMessage, type Bye, type RekeyRequest, type TrunkMessage } from './messages/trunk-messages.ts';
import { closeStream, giveUpDial, handleConnected, handleDialFailed, handleDisconnected, handleStreamFailed, handleStreamOpened, reachOut, reachOutAtMs } from './peer-streams.ts';
import { dropPending, failPeer, loseStream, penalise, PeerTable, sendMessage, type LaneName, type Peer } from './peer.ts';
import { DEFAULT_TRUNK_CONFIG, type TrunkConfig } from './trunk-config.ts';
import { hexText, TrunkContext, type TrunkCounter, type TrunkPorts } from './trunk-context.ts';
import type { DialFailedInput, MessageInput } from './network-port.ts';
import type { DataplaneInput, LocalInput, SetPeersInput, SetVlansInput, TrunkEffect, TrunkInput, TrunkStatus, WorkerRestartedInput } from './trunk-port.ts';
import { peerStatus } from './trunk-status.ts';
import { UnnamedPeers } from './unnamed-peers.ts';
import { dropLanes, dropRetired, expireLanes, expiryAtMs, refreshTrunk, removeTrunk, type Trunk } from './trunk.ts';

/** A wake-up this late means that the process stood still, not that peers were silent. */
const PAUSE_MS = 500;
/** A rekey that was due but could not be said is tried again after this; so is a rekey request. */
const REKEY_RETRY_MS = 5_000;

export class TrunkMachine {
  readonly #context: TrunkContext;
  readonly #table = new PeerTable();
  readonly #unnamed = new UnnamedPeers();
  readonly #touched = new Set<Peer>();
  #named: SetPeersInput['peers'] = [];
  #stopped = false;

  constructor(ports: TrunkPorts, config: Partial<TrunkConfig> = {}) {
    this.#context = new TrunkContext(ports, { ...DEFAULT_TRUNK_CONFIG, ...config });
  }

  /**
   * Takes one input.
   *
   * @param nowMs - CLOCK_MONOTONIC in ms, never less than at the last call
   * @returns what to carry out, in this order
   */
  handle(input: TrunkInput, nowMs: number): TrunkEffect[] {
    const context = this.#context;
    context.paused = nowMs - this.nextTimeoutMs() > PAUSE_MS;
    context.nowMs = nowMs;
    if (context.paused) {
      this.#forgive();
    }
    this.#dispatch(input);
    for (const peer of this.#touched) {
      this.#settle(peer);
    }
    this.#touched.clear();
    if (!this.#stopped) {
      this.#unnamed.reachOut(context);
    }
    return context.takeEffects();
  }

  /** @returns when the next `tick` is due, on the clock of `nowMs`; Infinity when nothing waits for time */
  nextTimeoutMs(): number {
    let atMs = this.#stopped ? Number.POSITIVE_INFINITY : this.#unnamed.nextAtMs();
    for (const peer of this.#table.peers.values()) {
      atMs = Math.min(atMs, peer.nextAtMs);
    }
    return atMs;
  }

  /** @returns a row for each peer that is configured or connected */
  status(): TrunkStatus[] {
    return [...this.#table.peers.values()].map((peer) => peerStatus(this.#context, peer));
  }

  /** @returns what was counted since start, by name */
  counters(): ReadonlyMap<TrunkCounter, number> {
    return this.#context.counters;
  }

  /** @returns the median offset of the peers' unix clocks to ours in ms (protocol.md section 5); 0 without peers */
  clockOffsetMs(): number {
    const offsets = this.status().flatMap((row) => {
      const trunk = this.#table.peers.get(row.peer)?.trunk;
      return trunk === undefined ? [] : clockOffsetsOf(trunk);
    });
    offsets.sort((left, right) => left - right);
    const middle = offsets.length >> 1;
    const upper = offsets[middle] ?? 0;
    return offsets.length % 2 === 1 ? upper : ((offsets[middle - 1] ?? 0) + upper) / 2;
  }

  /** @returns how much it remembers, for tests of bounded memory */
  sizes(): { readonly peers: number; readonly streams: number; readonly lanes: number; readonly connections: number } {
    const { peers, streams, connections } = this.#table;
    return { peers: peers.size, streams: streams.size, lanes: this.#context.lanes.size, connections: connections.size };
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
        return;
      }
      case 'message':
        this.#handleMessage(input);
        return;
      case 'probe':
      case 'lane-accepted':
      case 'lane-stats':
      case 'worker-restarted':
        this.#handleDataplane(input);
        return;
      default:
        this.#handleLocal(input);
    }
  }

  #handleMessage(input: MessageInput): void {
    const entry = this.#table.streams.get(input.stream);
    const { peer } = entry ?? {};
    if (peer?.stream?.id !== input.stream) {
      return;
    }
    this.#touch(peer);
    const result = decodeTrunkMessage(input.message);
    if (result.ok) {
      this.#handleDecoded(peer, result.message, input.message);
      return;
    }
    this.#context.count(result.code === 'version-mismatch' ? 'versionMismatches' : 'malformedMessages');
    this.#fail(peer, result.code, result.detail);
  }

  #handleDecoded(peer: Peer, message: TrunkMessage, encoded: Uint8Array): void {
    const context = this.#context;
    const { id } = peer.stream ?? { id: 0 };
    switch (message.kind) {
      case 'hello':
        handleHello(context, this.#table, peer, message, encoded);
        break;
      case 'hello-reply':
        handleHelloReply(context, peer, message, encoded);
        break;
      case 'meet':
        if (peer.trunk !== undefined) {
          handleMeet(context, peer.trunk, message);
        }
        break;
      case 'rekey-request':
        this.#handleRekeyRequest(peer, message);
        break;
      case 'bye':
        this.#handleBye(peer, message);
        break;
    }
    if (peer.stream === undefined) {
      this.#table.streams.delete(id);
    }
  }

  #handleRekeyRequest(peer: Peer, message: RekeyRequest): void {
    if (!peer.isInitiator || !this.#table.takeBudget(this.#context, peer)) {
      const code = peer.isInitiator ? 'too-many-handshakes' : 'unexpected-message';
      this.#context.count(peer.isInitiator ? 'handshakesRefused' : 'unexpectedMessages');
      this.#fail(peer, code, 'a rekey request that is not due');
      return;
    }
    if (peer.trunk !== undefined) {
      const known = message.lanes.filter(({ carrier, lane }) => peer.trunk?.slots[carrier].has(lane) === true);
      want(peer, message.lanes.length === 0 ? 'all' : known);
    }
  }

  #handleBye(peer: Peer, message: Bye): void {
    const context = this.#context;
    peer.lastError = `the peer said ${message.code}: ${message.detail}`;
    const isFault = message.code !== 'going-away' && message.code !== 'unknown-session' && message.code !== 'duplicate-stream';
    context.log(isFault ? 'warn' : 'info', `trunk-bye-${message.code}`, peer.lastError, peer.id);
    if (message.code === 'going-away' || message.code === 'unknown-session') {
      this.#removeTrunk(peer, message.code);
    }
    if (message.code === 'unknown-session' && peer.isInitiator) {
      dropPending(context, peer);
      peer.wanted = 'all';
      return;
    }
    if (peer.stream !== undefined) {
      context.emit({ kind: 'close-stream', stream: peer.stream.id, abort: false });
    }
    loseStream(context, peer);
    if (isFault) {
      penalise(context, peer);
    }
  }

  #handleDataplane(input: DataplaneInput): void {
    const context = this.#context;
    if (input.kind === 'worker-restarted') {
      this.#handleWorkerRestarted(input);
      return;
    }
    const reports = input.kind === 'lane-stats' ? input.lanes : [input];
    for (const report of reports) {
      const lane = context.lanes.get(report.handle);
      const trunk = lane?.trunk;
      if (lane === undefined || trunk === undefined) {
        continue;
      }
      if (input.kind === 'probe') {
        handleProbe(context, lane, input.source, input.body);
      } else if (input.kind === 'lane-accepted') {
        acceptLane(context, trunk, lane);
      } else if ('txDatagrams' in report) {
        handleLaneStats(context, lane, report);
      }
      this.#touch(this.#table.peers.get(trunk.peer));
    }
  }

  /** Its lanes' counters are lost: they are freed at once and keyed anew; the other workers' go on. */
  #handleWorkerRestarted(input: WorkerRestartedInput): void {
    const context = this.#context;
    for (const peer of this.#table.peers.values()) {
      const { trunk } = peer;
      if (trunk === undefined) {
        continue;
      }
      const lost: LaneName[] = [];
      dropLanes(context, trunk, (lane) => {
        const isLost = lane.worker === input.worker;
        if (isLost) {
          lost.push({ carrier: lane.carrier, lane: lane.number });
        }
        return isLost;
      });
      dropRetired(context, trunk, input.worker);
      want(peer, lost);
      refreshTrunk(context, trunk);
      this.#touch(peer);
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
        context.datagramAddresses = input.datagram.slice(0, context.config.candidatesMax - 1);
        context.datagramPort = input.datagramPort;
        context.listenAddresses = input.listen.slice(0, context.config.candidatesMax);
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
    for (const id of wanted.keys()) {
      this.#table.obtain(this.#context, id);
    }
    for (const peer of this.#table.peers.values()) {
      peer.configured = wanted.has(peer.id);
      peer.addresses = wanted.get(peer.id) ?? [];
      this.#touch(peer);
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

  #stop(): void {
    const context = this.#context;
    this.#stopped = true;
    for (const peer of this.#table.peers.values()) {
      peer.configured = false;
      sendMessage(context, peer, { kind: 'bye', code: 'going-away', detail: 'the node is stopping' });
      dropPending(context, peer);
      this.#removeTrunk(peer, 'stopped');
      if (peer.stream !== undefined) {
        context.emit({ kind: 'close-stream', stream: peer.stream.id, abort: false });
        this.#table.streams.delete(peer.stream.id);
        peer.stream = undefined;
      }
      this.#touch(peer);
    }
  }

  #removeTrunk(peer: Peer, reason: Parameters<typeof removeTrunk>[2]): void {
    const { trunk } = peer;
    if (trunk === undefined) {
      return;
    }
    if (trunk.carrierStream !== undefined) {
      this.#table.streams.delete(trunk.carrierStream);
      this.#context.emit({ kind: 'close-stream', stream: trunk.carrierStream, abort: true });
    }
    removeTrunk(this.#context, trunk, reason);
    peer.trunk = undefined;
  }

  #fail(peer: Peer, code: Parameters<typeof failPeer>[2], detail: string): void {
    if (peer.stream !== undefined) {
      this.#table.streams.delete(peer.stream.id);
    }
    failPeer(this.#context, peer, code, detail);
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

  /** Does whatever is due for the peer now, and works out when to look at it again. */
  #settle(peer: Peer): void {
    const context = this.#context;
    if (this.#stopped) {
      peer.nextAtMs = Number.POSITIVE_INFINITY;
      this.#table.release(peer);
      return;
    }
    this.#settleDeadline(peer);
    this.#settleTrunk(peer);
    this.#settleExchange(peer);
    if (peer.trunk !== undefined) {
      probeTrunk(context, peer.trunk);
      tellShared(context, peer.trunk);
    }
    reachOut(context, peer);
    peer.nextAtMs = this.#nextAtMs(peer);
    this.#table.release(peer);
  }

  #settleDeadline(peer: Peer): void {
    if (this.#context.nowMs < peer.deadlineMs) {
      return;
    }
    if (peer.stream === undefined) {
      giveUpDial(this.#context, peer);
      return;
    }
    this.#context.count('handshakeTimeouts');
    this.#fail(peer, 'handshake-timeout', `no ${peer.isInitiator ? 'HelloReply' : 'Hello'} within ${this.#context.config.handshakeTimeoutMs} ms`);
  }

  #settleTrunk(peer: Peer): void {
    const context = this.#context;
    const { trunk } = peer;
    if (trunk === undefined) {
      return;
    }
    const hasExpired = expireLanes(context, trunk);
    if (hasExpired || context.nowMs >= trunk.rekeyAtMs) {
      want(peer, 'all');
      trunk.rekeyAtMs = context.nowMs + REKEY_RETRY_MS;
    }
    refreshTrunk(context, trunk);
    const isSilent = peer.stream === undefined && !trunk.isLive;
    trunk.silentSinceMs = isSilent ? (trunk.silentSinceMs ?? context.nowMs) : undefined;
    if (trunk.silentSinceMs !== undefined && context.nowMs - trunk.silentSinceMs >= context.config.trunkDeadMs) {
      this.#removeTrunk(peer, 'dead');
    }
  }

  #settleExchange(peer: Peer): void {
    const context = this.#context;
    if (peer.stream === undefined || peer.wanted === undefined || peer.pending !== undefined) {
      return;
    }
    if (peer.isInitiator) {
      startExchange(context, this.#table, peer);
    } else if (context.nowMs - peer.requestedAtMs >= REKEY_RETRY_MS && peer.trunk !== undefined) {
      const lanes = peer.wanted === 'all' ? [] : peer.wanted.map((name) => ({ ...name, receiverIndex: 0 }));
      peer.wanted = undefined;
      peer.requestedAtMs = context.nowMs;
      sendMessage(context, peer, { kind: 'rekey-request', lanes });
    }
  }

  #nextAtMs(peer: Peer): number {
    const { trunk } = peer;
    let atMs = Math.min(peer.deadlineMs, reachOutAtMs(peer));
    if (trunk === undefined) {
      return atMs;
    }
    atMs = Math.min(atMs, trunk.rekeyAtMs, expiryAtMs(this.#context, trunk), probeAtMs(this.#context, trunk));
    if (trunk.silentSinceMs !== undefined) {
      atMs = Math.min(atMs, trunk.silentSinceMs + this.#context.config.trunkDeadMs);
    }
    const isWaiting = peer.wanted !== undefined && peer.stream !== undefined && !peer.isInitiator;
    return isWaiting ? Math.min(atMs, peer.requestedAtMs + REKEY_RETRY_MS) : atMs;
  }
}

/** Adds to the lanes that a peer's trunk wants keyed. */
function want(peer: Peer, lanes: 'all' | readonly LaneName[]): void {
  if (lanes === 'all' || peer.wanted === 'all') {
    peer.wanted = 'all';
    return;
  }
  if (lanes.length > 0) {
    const names = [...(peer.wanted ?? []), ...lanes].map((name) => [`${name.carrier}/${name.lane}`, name] as const);
    peer.wanted = [...new Map(names).values()];
  }
}

function clockOffsetsOf(trunk: Trunk): number[] {
  for (const slot of [...trunk.slots.udp.values(), ...trunk.slots.stream.values()]) {
    const offset = slot.current?.path.clockOffsetMs;
    if (offset !== undefined) {
      return [offset];
    }
  }
  return [];
}
