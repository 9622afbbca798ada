/**
 * What neighbours are told: to each its own announcement, whenever it says something that the one before did not.
 *
 * A claim goes to a neighbour once; after that, and when the neighbour has told of it itself, it is only referred to. Who has
 * said nothing yet gets it each time: a relay may not carry the segment so far, and learns of it by that. A parent is not
 * told of each new sequence that came from it: it needs no way through its child.
 *
 * Main thread; no clock of its own.
 */
import type { Neighbour, SentWord, Way } from './neighbour.ts';
import { encodeTreeMessage, type ToldRoot, type TreeMessage } from './tree-message.ts';
import type { TreeCounters, TreeSend } from './tree-port.ts';

/** See the file's head. */
export class TreeSpeaker {
  readonly #segmentId: Uint8Array;
  readonly #counters: TreeCounters;
  /** Of the last announcement to anybody. */
  lastNumber = 0;

  constructor(segmentId: Uint8Array, counters: TreeCounters) {
    this.#segmentId = segmentId;
    this.#counters = counters;
  }

  /** Numbers of announcements rise over this node's lives. */
  startNumbersAt(number: number): void {
    this.lastNumber = number;
  }

  /** A message as it is. */
  send({ peer }: Neighbour, message: TreeMessage): TreeSend {
    const bytes = encodeTreeMessage(this.#segmentId, message);
    this.#counters.messagesSent++;
    this.#counters.bytesSent += bytes.length;
    return { kind: 'send', peer, bytes };
  }

  /** @returns an announcement when the neighbour does not know all of this yet */
  tell(neighbour: Neighbour, word: SentWord, nowMs: number): TreeSend | undefined {
    if (neighbour.hasLeft) {
      neighbour.hasLeft = false;
      neighbour.sent = word;
      return undefined; // it is told what comes next, in case it comes back
    }
    if (neighbour.sent !== undefined && !isNews(neighbour.sent, word) && !neighbour.isAsked) {
      return undefined;
    }
    const told = word.way === undefined ? undefined : toldRoot(neighbour, word.way);
    const isFresh = neighbour.isAsked || !neighbour.isHeard;
    neighbour.sent = word;
    neighbour.isAsked = false;
    neighbour.awaitAnswer(nowMs);
    const { port, joinNumber } = word;
    const number = ++this.lastNumber;
    const heard = neighbour.heardNumber;
    neighbour.lastJoinWord = port === 'join' ? number : neighbour.lastJoinWord;
    return this.send(neighbour, { kind: 'announce', number, heard, port, joinNumber, isFresh, told });
  }
}

function isNews(sent: SentWord, word: SentWord): boolean {
  const isSameEdge =
    sent.port === word.port &&
    sent.joinNumber === word.joinNumber &&
    sent.way?.claim.root === word.way?.claim.root;
  if (!isSameEdge) {
    return true;
  }
  return word.port !== 'join' && !isSameWay(sent.way, word.way);
}

function isSameWay(one: Way | undefined, other: Way | undefined): boolean {
  return one?.sequence === other?.sequence && one?.distance === other?.distance && one?.hops === other?.hops;
}

function toldRoot({ sent, way: heard, isHeard }: Neighbour, way: Way): ToldRoot {
  const { claim, distance, hops } = way;
  const has = (other: Way | undefined): boolean =>
    other?.claim.root === claim.root && other.sequence === claim.sequence;
  const isKnown = isHeard && (has(sent?.way) || has(heard));
  const { root, rootBytes, sequence } = claim;
  return { root, rootBytes, sequence, distance, hops, claim: isKnown ? undefined : claim };
}
