/**
 * The trunk handshake over the control stream: Hello, HelloReply, and rekeying by the same two messages.
 *
 * Main thread, pure but for the crypto port. The lower PeerId is the initiator:
 *
 *   initiator                                   responder
 *   allocate lanes, Hello ───────────────────▶  allocate lanes, derive, install (opens, does not send)
 *   derive, install, probe each lane  ◀───────  HelloReply
 *   probe under the new keys ────────────────▶  accepted: use, probe
 *   accepted: use             ◀───────────────  answer
 *
 * Both keep the older lanes until the new ones have proven themselves (trunk.ts). A rekey may name only some
 * lanes: those of a restarted worker, or those that only the peer's larger number of workers makes.
 */
import { sameBytes } from '../../dataplane/base/same-bytes.ts';
import { makeRoom } from './admission.ts';
import { type Lane, offerLane, removeLane, seedAddresses } from './lane.ts';
import { deriveLinkKeys, exchangeKey, type LinkContext, transcriptHash } from './link-keys.ts';
import { sendMeet } from './meet.ts';
import {
  type Hello,
  type HelloReply,
  type LaneOffer,
  type Party,
  SESSION_BYTES,
  TRUNK_VERSION_MAX,
} from './messages/trunk-messages.ts';
import { endTrunk, failPeer, type LaneName, type Peer, type PeerTable, sendMessage } from './peer.ts';
import { probeTrunk } from './probe-schedule.ts';
import { PUNCH_FEATURE } from './punching.ts';
import { CARRIERS, createTrunk, placeLane, refreshTrunk, slotOf, type Trunk } from './trunk.ts';
import type { TrunkContext } from './trunk-context.ts';
import type { DatagramAddress } from './trunk-port.ts';

/** The responder asks for a rekey only when the initiator is this late with its own. */
const RESPONDER_PATIENCE = 1.15;
const REKEY_EARLIEST = 0.85;

/** Says Hello for the lanes that the peer's trunk wants, or for a new trunk. */
export function startExchange(context: TrunkContext, table: PeerTable, peer: Peer): void {
  const { trunk } = peer;
  if (trunk === undefined && !makeRoom(context, table, peer)) {
    failPeer(context, peer, 'too-many-trunks', `this node keeps at most ${context.config.trunksMax} trunks`);
    return;
  }
  const isFull = trunk === undefined || peer.wanted === 'all';
  const names = wantedLanes(context, peer);
  peer.wanted = undefined;
  const generation = (trunk?.offeredGeneration ?? 0) + 1;
  if (trunk !== undefined) trunk.offeredGeneration = generation;
  const lanes = offerLanes(context, names, generation);
  if (lanes.length === 0) {
    failPeer(context, peer, 'rejected', 'no lane is free on this node');
    return;
  }
  const crypto = context.ports.crypto.startExchange();
  const session = trunk?.session ?? context.randomBytes(SESSION_BYTES);
  const { x25519PublicKey, mlKemPublicKey } = crypto;
  const party = ownParty(context, lanes);
  const hello = sendMessage(context, peer, {
    kind: 'hello',
    session,
    generation,
    x25519PublicKey,
    mlKemPublicKey,
    party,
    rekey: trunk !== undefined,
  });
  peer.pending = { session, generation, crypto, hello, lanes, isFull };
  peer.deadlineMs = context.nowMs + context.config.handshakeTimeoutMs;
}

/** The responder's part. @param encoded - the message as it came: the transcript is over these bytes */
export function handleHello(
  context: TrunkContext,
  table: PeerTable,
  peer: Peer,
  hello: Hello,
  encoded: Uint8Array,
): void {
  if (peer.isInitiator) {
    context.count('unexpectedMessages');
    failPeer(context, peer, 'unexpected-message', 'Hello comes from the lower PeerId');
    return;
  }
  if (!table.takeBudget(context, peer)) {
    context.count('handshakesRefused');
    failPeer(context, peer, 'too-many-handshakes', 'too many handshakes in a short time');
    return;
  }
  const known = knownTrunk(context, table, peer, hello);
  if (known === 'refused') {
    return;
  }
  const answered = context.ports.crypto.answerExchange(hello.x25519PublicKey, hello.mlKemPublicKey);
  if (answered === undefined) {
    context.count('handshakesFailed');
    failPeer(context, peer, 'handshake-failed', 'a key of the Hello cannot be used');
    return;
  }
  const lanes = offerLanes(context, acceptableLanes(context, hello.party), hello.generation);
  if (lanes.length === 0) {
    failPeer(context, peer, 'rejected', 'no lane is free on this node');
    return;
  }
  const { session, generation, party } = hello;
  const { x25519PublicKey, mlKemCiphertext } = answered;
  const reply = {
    kind: 'hello-reply' as const,
    version: TRUNK_VERSION_MAX,
    session,
    generation,
    x25519PublicKey,
    mlKemCiphertext,
    party: ownParty(context, lanes),
  };
  const encodedReply = sendMessage(context, peer, reply);
  const transcript = transcriptHash(encoded, encodedReply);
  const trunk =
    known ??
    createTrunk(context, { peer: peer.id, session, isInitiator: false, transcript, party, generation });
  const exchange = { trunk, party, generation, lanes, prk: exchangeKey(answered.sharedSecret, transcript) };
  const isFull = known === undefined || party.lanes.length >= 2 * laneCount(context, party);
  concludeExchange(context, peer, { ...exchange, isFull });
}

/** The initiator's second part. */
export function handleHelloReply(
  context: TrunkContext,
  peer: Peer,
  reply: HelloReply,
  encoded: Uint8Array,
): void {
  const { pending } = peer;
  if (
    pending === undefined ||
    reply.generation !== pending.generation ||
    !sameBytes(reply.session, pending.session)
  ) {
    context.count('unexpectedMessages');
    failPeer(context, peer, 'unexpected-message', 'a HelloReply to no Hello');
    return;
  }
  const sharedSecret = pending.crypto.finish(reply.x25519PublicKey, reply.mlKemCiphertext);
  const isSameNode =
    peer.trunk === undefined || sameBytes(peer.trunk.party.incarnation, reply.party.incarnation);
  if (sharedSecret === undefined || !isSameNode) {
    context.count('handshakesFailed');
    failPeer(
      context,
      peer,
      'handshake-failed',
      isSameNode ? 'a key of the HelloReply cannot be used' : 'another incarnation answered a rekey',
    );
    return;
  }
  peer.pending = undefined;
  const { session, generation, isFull } = pending;
  const { party } = reply;
  const transcript = transcriptHash(pending.hello, encoded);
  const isFirst = peer.trunk === undefined;
  const trunk =
    peer.trunk ??
    createTrunk(context, { peer: peer.id, session, isInitiator: true, transcript, party, generation });
  concludeExchange(context, peer, {
    trunk,
    party,
    generation,
    lanes: pending.lanes,
    prk: exchangeKey(sharedSecret, transcript),
    isFull,
  });
  if (isFirst && laneCount(context, party) > context.ports.workerCount) {
    peer.wanted = laneNames(context.ports.workerCount, laneCount(context, party));
  }
}

/** @returns the trunk that this Hello rekeys, undefined for a new one, or 'refused' when the peer was told off */
function knownTrunk(
  context: TrunkContext,
  table: PeerTable,
  peer: Peer,
  hello: Hello,
): Trunk | undefined | 'refused' {
  const { trunk } = peer;
  const isSession = trunk !== undefined && sameBytes(trunk.session, hello.session);
  if (hello.rekey) {
    const isNode = isSession && sameBytes(trunk.party.incarnation, hello.party.incarnation);
    if (isNode && hello.generation > trunk.generation) {
      return trunk;
    }
    // Not an offence: this node may have restarted or given the trunk up. The initiator begins anew on this stream.
    sendMessage(context, peer, {
      kind: 'bye',
      code: 'unknown-session',
      detail: 'this node has no such trunk',
    });
    peer.deadlineMs = context.nowMs + context.config.handshakeTimeoutMs;
    return 'refused';
  }
  if (isSession) {
    context.count('unexpectedMessages');
    failPeer(context, peer, 'unexpected-message', 'a first Hello with the session of a live trunk');
    return 'refused';
  }
  if (trunk !== undefined) {
    endTrunk(context, table, peer, 'replaced');
  } else if (!makeRoom(context, table, peer)) {
    context.count('handshakesRefused');
    failPeer(context, peer, 'too-many-trunks', `this node keeps at most ${context.config.trunksMax} trunks`);
    return 'refused';
  }
  return undefined;
}

interface Conclusion {
  readonly trunk: Trunk;
  readonly party: Party;
  readonly generation: number;
  readonly lanes: readonly Lane[];
  readonly prk: Uint8Array;
  readonly isFull: boolean;
}

function concludeExchange(context: TrunkContext, peer: Peer, conclusion: Conclusion): void {
  const { trunk, party, generation, lanes } = conclusion;
  const { config, nowMs } = context;
  peer.trunk = trunk;
  peer.deadlineMs = Number.POSITIVE_INFINITY;
  peer.requestedAtMs = Number.NEGATIVE_INFINITY;
  peer.lastError = undefined;
  peer.backoff.reset();
  peer.penalty.reset();
  trunk.generation = generation;
  trunk.offeredGeneration = Math.max(trunk.offeredGeneration, generation);
  trunk.party = party;
  context.count('exchanges');
  if (conclusion.isFull) {
    const share = trunk.isInitiator
      ? REKEY_EARLIEST + (1 - REKEY_EARLIEST) * context.random()
      : RESPONDER_PATIENCE;
    trunk.rekeyAtMs = nowMs + config.rekeyAfterMs * share;
  }
  const offers = new Map(party.lanes.map((offer) => [`${offer.carrier}/${offer.lane}`, offer.receiverIndex]));
  for (const lane of lanes) {
    const peerIndex = offers.get(`${lane.carrier}/${lane.number}`);
    if (peerIndex === undefined) {
      removeLane(context, lane);
    } else {
      installLane(context, peer, conclusion, lane, peerIndex);
    }
  }
  refreshTrunk(context, trunk);
  if (trunk.meetStream !== peer.stream?.id) sendMeet(context, peer);
  probeTrunk(context, trunk);
}

function installLane(
  context: TrunkContext,
  peer: Peer,
  conclusion: Conclusion,
  lane: Lane,
  peerIndex: number,
): void {
  const { trunk, generation, prk } = conclusion;
  const { self } = context.ports;
  const old = slotOf(trunk, lane.carrier, lane.number).current;
  lane.trunk = trunk;
  lane.notAfterMs = context.nowMs + context.config.hardStopMs;
  // A new trunk's path is measured for a moment as if it had traffic.
  lane.trafficAtMs = old === undefined ? context.nowMs : old.trafficAtMs;
  lane.trafficSinceMs = old?.trafficSinceMs ?? Number.POSITIVE_INFINITY;
  if (lane.carrier === 'udp') {
    seedAddresses(context, lane, old, toldAddresses(peer, conclusion.party, lane.number));
  }
  if (lane.carrier === 'stream' && old !== undefined) {
    lane.path.inherit(old.path);
    lane.answeredAtMs = old.answeredAtMs;
  }
  if (old !== undefined && !trunk.isInitiator) {
    // The initiator's asks prove both ends' keys on a path that is known; ours are for when those do not come.
    lane.nextAskAtMs = context.nowMs + context.config.idleRetryMs;
  }
  const keysFor = (direction: LinkContext['direction']) => {
    const [initiator, responder] = trunk.isInitiator ? [self, peer.id] : [peer.id, self];
    return deriveLinkKeys(prk, {
      initiator,
      responder,
      carrier: lane.carrier,
      lane: lane.number,
      direction,
      generation,
    });
  };
  const own = trunk.isInitiator ? ('from-initiator' as const) : ('from-responder' as const);
  const theirs = trunk.isInitiator ? ('from-responder' as const) : ('from-initiator' as const);
  placeLane(context, trunk, lane);
  context.emit({
    kind: 'install-lane',
    trunk: trunk.id,
    handle: lane.handle,
    carrier: lane.carrier,
    lane: lane.number,
    generation,
    worker: lane.worker,
    localIndex: lane.localIndex,
    peerIndex,
    rx: keysFor(theirs),
    tx: keysFor(own),
    address: lane.live ? lane.address : undefined,
    notAfterMs: lane.notAfterMs,
  });
}

/** Where lane k's datagrams may reach the peer: what the connection shows first, then what it tells. */
function toldAddresses(peer: Peer, party: Party, lane: number): DatagramAddress[] {
  const remoteIp =
    peer.stream === undefined ? undefined : peer.connections.get(peer.stream.connection)?.remoteIp;
  const seen =
    remoteIp === undefined || party.datagramPort === 0 ? [] : [{ ip: remoteIp, port: party.datagramPort }];
  return [...seen, ...party.datagramAddresses]
    .map(({ ip, port }) => ({ ip, port: port + (lane % party.workers) }))
    .filter(({ port }) => port <= 0xffff);
}

/** @returns how many lanes a carrier has between us and the peer */
function laneCount(context: TrunkContext, party: Party): number {
  return Math.max(context.ports.workerCount, party.workers);
}

function laneNames(from: number, to: number): LaneName[] {
  const numbers = Array.from({ length: to - from }, (_, index) => from + index);
  return CARRIERS.flatMap((carrier) => numbers.map((lane) => ({ carrier, lane })));
}

function wantedLanes(context: TrunkContext, peer: Peer): readonly LaneName[] {
  if (peer.trunk === undefined) {
    return laneNames(0, context.ports.workerCount);
  }
  return peer.wanted === undefined || peer.wanted === 'all'
    ? laneNames(0, laneCount(context, peer.trunk.party))
    : peer.wanted;
}

function acceptableLanes(context: TrunkContext, party: Party): LaneOffer[] {
  return party.lanes.filter((offer) => offer.lane < laneCount(context, party));
}

function offerLanes(context: TrunkContext, names: readonly LaneName[], generation: number): Lane[] {
  return names
    .map(({ carrier, lane }) => offerLane(context, { carrier, number: lane, generation }))
    .filter((lane) => lane !== undefined);
}

function ownParty(context: TrunkContext, lanes: readonly Lane[]): Party {
  return {
    incarnation: context.incarnation,
    workers: context.ports.workerCount,
    linkMtuBytes: context.config.linkMtuBytes,
    features: [PUNCH_FEATURE],
    roles: context.config.roles,
    lanes: lanes.map((lane) => ({
      carrier: lane.carrier,
      lane: lane.number,
      receiverIndex: lane.localIndex,
    })),
    datagramAddresses: context.datagramAddresses,
    datagramPort: context.datagramPort,
    listenAddresses: context.listenAddresses,
  };
}
