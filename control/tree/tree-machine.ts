/**
 * The spanning tree of one segment as one node sees it (protocol section 6): which neighbours frames are passed on to and
 * taken from. Sans-I/O: `handle(input, now)` returns effects.
 *
 *   what neighbours tell ──▶ root ──▶ parent ──▶ own distance ──▶ tell all whom it changes something for
 *                                       │ join             ▲ join
 *                                       ▼                  │
 *                                     accept ──▶ ports ◀── accept
 *
 * Why there is no loop, at no moment. A node takes as parent only a neighbour whose distance is better than all that it
 * told itself for that root (feasible-distances.ts), so what nodes told falls from child to parent along every way, and no
 * way comes back. A frame crosses an edge only when both ends have opened it: the parent for as long as it follows the root
 * under which the child joined (tree-edges.ts), and the child from when it hears the accept with the number of its present
 * join. So both ends follow one root, each node has one parent, and the open edges of all nodes are trees. Messages that are
 * late or lost leave an edge open on one side, which is shut. docs/adr/0014-loop-free-tree.md has it step by step.
 *
 * Main thread. It decides nothing about who is a neighbour here, and sends frames nowhere.
 */
import { sameBytes } from '../../dataplane/base/same-bytes.ts';
import { hash128 } from '../vlan/hash.ts';
import { ClaimBook } from './claim-book.ts';
import { FeasibleDistances, isBetter } from './feasible-distances.ts';
import { Neighbour } from './neighbour.ts';
import { OwnClaim } from './own-claim.ts';
import { OwnWay } from './own-way.ts';
import { ParentChooser } from './parent-chooser.ts';
import { type RootClaim, rootBytesOf } from './root-claim.ts';
import { SequenceRequests, type WantedSequence } from './sequence-requests.ts';
import { TreeEdges } from './tree-edges.ts';
import { TREE_LIMIT } from './tree-limits.ts';
import {
  decodeTreeMessage,
  type ToldRoot,
  type TreeAnnounce,
  type TreeRequest,
  treeSegmentOf,
} from './tree-message.ts';
import {
  emptyTreeCounters,
  type TreeEffect,
  type TreeInput,
  type TreeNow,
  type TreeOptions,
  type TreePorts,
  type TreeSend,
  type TreeStatus,
} from './tree-port.ts';
import { TreeSpeaker } from './tree-speaker.ts';

/** How long edges of the former epoch are favoured: both epochs live as long. */
const FAVOUR_MS = 30_000;

/** See the file's head. */
export class TreeMachine {
  readonly counters = emptyTreeCounters();
  readonly segmentId: Uint8Array;
  readonly #own: OwnClaim | undefined;
  readonly #claims: ClaimBook;
  readonly #distances = new FeasibleDistances();
  readonly #ownWay = new OwnWay(this.#distances);
  readonly #requests = new SequenceRequests();
  readonly #chooser: ParentChooser;
  readonly #edges: TreeEdges;
  readonly #speaker: TreeSpeaker;
  readonly #neighbours = new Map<string, Neighbour>();
  /** Of the former epoch's machine: edges that were open, and blocks that go on. */
  readonly #formerPorts: ReadonlySet<string>;
  readonly #formerBlocks: ReadonlyMap<string, number>;
  #favourUntilMs: number | undefined;
  #openPorts: readonly string[] = [];
  /** What this node asks its neighbours for, to come to a better root. */
  #wanted: WantedSequence | undefined;
  #hasStopped = false;

  /**
   * @param previous - the machine of the VLAN's former epoch. Its roots have other priorities, so that distances say nothing
   * here; what carries over is the shape: for its first 30 s, while both trees live, this machine takes neighbours that had
   * an open edge for a fifth nearer, and what the loop guard had blocked stays blocked. Who is a neighbour is told anew, since
   * who was put out with the epoch must not hear of this one.
   */
  constructor(options: TreeOptions, ports: TreePorts, previous?: TreeMachine) {
    const { segmentKey, member } = options;
    this.segmentId = hash128(segmentKey);
    this.#claims = new ClaimBook(ports, segmentKey);
    this.#own = member === undefined ? undefined : new OwnClaim(member, segmentKey, ports);
    this.#speaker = new TreeSpeaker(this.segmentId, this.counters);
    this.#formerPorts = new Set(previous?.openPorts);
    this.#formerBlocks = previous?.blocks() ?? new Map<string, number>();
    this.#chooser = new ParentChooser({
      ownRoot: this.#own?.root,
      distances: this.#distances,
      counters: this.counters,
      isFavoured: (peer, nowMs) => nowMs < (this.#favourUntilMs ?? 0) && this.#formerPorts.has(peer),
    });
    this.#edges = new TreeEdges(this.#chooser, this.#ownWay);
  }

  /** Whether this node has a way to a root, or is one. */
  get hasRoot(): boolean {
    return this.#ownWay.way !== undefined;
  }

  /** The neighbours that frames are passed on to and taken from. */
  get openPorts(): readonly string[] {
    return this.#openPorts;
  }

  /** Until when which neighbours are blocked. */
  blocks(): ReadonlyMap<string, number> {
    const blocked = [...this.#neighbours.values()].filter(({ blockedUntilMs }) => blockedUntilMs > 0);
    return new Map(blocked.map(({ peer, blockedUntilMs }) => [peer, blockedUntilMs]));
  }

  /** Never throws, whatever a neighbour sent. */
  handle(input: TreeInput, now: TreeNow): TreeEffect[] {
    if (this.#hasStopped) {
      return [];
    }
    if (this.#favourUntilMs === undefined) {
      this.#favourUntilMs = now.nowMs + FAVOUR_MS;
      this.#chooser.startNumbersAt(Math.floor(now.unixMs));
      this.#speaker.startNumbersAt(Math.floor(now.unixMs));
    }
    const sends = this.#take(input, now);
    return [...this.#settle(now), ...sends];
  }

  /** When to tick, on the monotonic clock; infinite when nothing is due. */
  nextTimeoutMs(): number {
    let dueMs = Math.min(this.#chooser.dueMs, this.#ownWay.dueMs);
    if (this.#chooser.isRoot && this.#own !== undefined) {
      dueMs = Math.min(dueMs, this.#own.dueMs);
    }
    for (const neighbour of this.#neighbours.values()) {
      dueMs = Math.min(dueMs, neighbour.dueMs());
    }
    return this.#wanted === undefined
      ? dueMs
      : Math.min(dueMs, this.#requests.dueMs(this.#neighbours.values(), this.#wanted));
  }

  /** Says goodbye; the machine does nothing any more. */
  stop(): TreeEffect[] {
    if (this.#hasStopped) {
      return [];
    }
    this.#hasStopped = true;
    const sends = [...this.#neighbours.values()]
      .filter(({ sent }) => sent !== undefined)
      .map((neighbour) => this.#speaker.send(neighbour, { kind: 'goodbye' }));
    const hadPorts = this.#openPorts.length > 0;
    this.#openPorts = [];
    return hadPorts ? [...sends, { kind: 'ports', ports: [] }] : sends;
  }

  status(): TreeStatus {
    const { way } = this.#ownWay;
    const root = way && {
      priority: way.claim.root.slice(2),
      rank: way.claim.rootBytes[0] ?? 0,
      sequence: way.sequence,
      isSelf: this.#chooser.isRoot,
    };
    return {
      segment: Buffer.from(this.segmentId).toString('hex'),
      isMember: this.#own !== undefined,
      root,
      distance: way?.distance,
      hops: way?.hops,
      parent: this.#chooser.parent?.peer,
      ports: [...this.#neighbours.values()].map((neighbour) => this.#edges.status(neighbour)),
    };
  }

  #take(input: TreeInput, now: TreeNow): TreeSend[] {
    switch (input.kind) {
      case 'peer':
        this.#takePeer(input.peer, input.cost);
        return [];
      case 'peer-gone':
        this.#neighbours.delete(input.peer);
        return [];
      case 'message':
        return this.#takeMessage(input.peer, input.bytes, now);
      case 'again':
        this.#neighbours.get(input.peer)?.restartStream(now.nowMs);
        return [];
      case 'block':
        this.#neighbours.get(input.peer)?.block(input.untilMs);
        return [];
      case 'tick':
        return [];
    }
  }

  #takePeer(peer: string, cost: number): void {
    const known = this.#neighbours.get(peer);
    if (known !== undefined) {
      known.setCost(cost);
    } else if (this.#neighbours.size >= TREE_LIMIT.peers) {
      this.counters.peersRefused++;
    } else {
      const neighbour = new Neighbour(peer, cost, this.#speaker.lastNumber);
      neighbour.block(this.#formerBlocks.get(peer) ?? 0);
      this.#neighbours.set(peer, neighbour);
    }
  }

  #takeMessage(peer: string, bytes: Uint8Array, now: TreeNow): TreeSend[] {
    const neighbour = this.#neighbours.get(peer);
    const segmentId = treeSegmentOf(bytes);
    this.counters.messagesHeard++;
    if (neighbour === undefined || (segmentId !== undefined && !sameBytes(segmentId, this.segmentId))) {
      this.counters.foreign++;
      return [];
    }
    if (!neighbour.messages.take(now.nowMs)) {
      this.counters.overBudget++;
      neighbour.askSoon(now.nowMs);
      return [];
    }
    const message = decodeTreeMessage(bytes);
    if (message?.kind === 'request') {
      return this.#takeRequest(neighbour, message, now);
    }
    if (message?.kind === 'announce') {
      this.#takeAnnounce(neighbour, message, now);
    } else if (message?.kind === 'goodbye') {
      neighbour.leave(now.nowMs);
    } else {
      this.counters.malformed++;
    }
    return [];
  }

  #takeAnnounce(neighbour: Neighbour, message: TreeAnnounce, now: TreeNow): void {
    neighbour.hear(message);
    const { told, port, joinNumber, heard } = message;
    const claim = told && this.#claimOf(neighbour, told, now);
    if (told === undefined || claim === undefined) {
      neighbour.forgetWords();
      return;
    }
    const before = neighbour.way;
    const way = { claim, sequence: told.sequence, distance: told.distance, hops: told.hops };
    neighbour.way = way;
    neighbour.word = { port, joinNumber, heard, root: claim.root, metric: way };
    if (before?.claim.root !== claim.root || isBetter(way, before) || isBetter(before, way)) {
      neighbour.hastenRequest(now.nowMs);
    }
    if (claim.root === this.#own?.root && this.#chooser.isRoot) {
      // Of a former life of ours, whose clock was ahead: nobody would follow what is lower.
      this.#own.raise(claim.sequence, now);
    }
  }

  #claimOf(neighbour: Neighbour, told: ToldRoot, now: TreeNow): RootClaim | undefined {
    const verdict =
      told.claim === undefined
        ? this.#claims.find(told.root, told.sequence, now.nowMs)
        : this.#claims.admit(told.claim, neighbour.verifications, now);
    if (typeof verdict !== 'string') {
      return verdict;
    }
    this.counters[verdict]++;
    if (verdict === 'overBudget') {
      neighbour.askSoon(now.nowMs);
    }
    neighbour.isAsked ||= verdict === 'unknownClaims';
    return undefined;
  }

  #takeRequest(neighbour: Neighbour, request: TreeRequest, now: TreeNow): TreeSend[] {
    const { way } = this.#ownWay;
    if (request.root !== way?.claim.root || request.sequence <= way.sequence) {
      return []; // nothing known, or told already and on its way
    }
    if (!neighbour.requests.take(now.nowMs)) {
      this.counters.overBudget++;
      return [];
    }
    if (this.#chooser.isRoot) {
      this.#own?.raise(request.sequence, now);
      return [];
    }
    const { base } = this.#chooser;
    if (base === undefined || base === neighbour || !this.#requests.mayForward(request, now.nowMs)) {
      return [];
    }
    this.counters.requestsForwarded++;
    return [this.#speaker.send(base, request)];
  }

  /**
   * Everything that follows from what is known now. The neighbour hears first that it is accepted: what others have to say along
   * the tree comes to it when its port is open.
   */
  #settle(now: TreeNow): TreeEffect[] {
    for (const neighbour of this.#neighbours.values()) {
      neighbour.expire(now.nowMs);
    }
    this.#distances.expire(now.nowMs);
    const wasRoot = this.#chooser.isRoot;
    this.#chooser.update(this.#neighbours, now.nowMs);
    this.#measure(wasRoot, now);
    return [...this.#tellAll(now.nowMs), ...this.#openAndShut(), ...this.#ask(now.nowMs)];
  }

  #measure(wasRoot: boolean, now: TreeNow): void {
    if (this.#chooser.isRoot && this.#own !== undefined) {
      const claim = wasRoot ? this.#own.current(now) : this.#own.begin(now);
      this.counters.claimsSigned = this.#own.signed;
      this.#claims.keep(claim);
      this.#ownWay.setRoot(claim);
    } else {
      this.#ownWay.setThrough(this.#chooser.base, now.nowMs);
    }
  }

  #tellAll(nowMs: number): TreeSend[] {
    return [...this.#neighbours.values()].flatMap((neighbour) => {
      const send = this.#speaker.tell(neighbour, this.#edges.wordFor(neighbour), nowMs);
      return send === undefined ? [] : [send];
    });
  }

  #ask(nowMs: number): TreeSend[] {
    const root = this.#chooser.wantedRoot;
    const rise = this.#ownWay.takeRise(nowMs);
    const { base } = this.#chooser;
    const sends: TreeSend[] = [];
    if (rise !== undefined && base !== undefined) {
      sends.push(this.#request(base, rise));
    }
    const wanted =
      root === undefined ? undefined : { root, sequence: (this.#distances.get(root)?.sequence ?? 0) + 1 };
    this.#wanted = wanted;
    if (wanted !== undefined) {
      const asked = this.#requests.ask(this.#neighbours.values(), wanted, nowMs);
      sends.push(...asked.map((neighbour) => this.#request(neighbour, wanted)));
    }
    return sends;
  }

  #request(neighbour: Neighbour, { root, sequence }: WantedSequence): TreeSend {
    this.counters.requestsSent++;
    return this.#speaker.send(neighbour, { kind: 'request', root, rootBytes: rootBytesOf(root), sequence });
  }

  #openAndShut(): TreeEffect[] {
    const ports = [...this.#neighbours.values()]
      .filter((neighbour) => this.#edges.isOpen(neighbour))
      .map(({ peer }) => peer);
    const isSame =
      ports.length === this.#openPorts.length &&
      ports.every((peer, index) => peer === this.#openPorts[index]);
    this.#openPorts = ports;
    return isSame ? [] : [{ kind: 'ports', ports }];
  }
}
