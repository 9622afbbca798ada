/**
 * The process behind the relay: it opens what comes first, to see that it is what the generator sent, one hop on; the rest
 * it takes out of the socket without looking at it.
 */
import { monotonicMs } from '../../dataplane/io/clock.ts';
import { libc } from '../../dataplane/io/libc.ts';
import { MessageReceiver } from '../../dataplane/io/message-receiver.ts';
import { allocateNative } from '../../dataplane/io/native-memory.ts';
import { CARRIER_UDP, RX_LOCAL, RxDatagram } from '../../dataplane/shm/layout.ts';
import { ARENA } from '../../dataplane/shm/memory-map.ts';
import { controlHops } from '../../dataplane/wire/link-datagram.ts';
import { answerBench } from './child.ts';
import { type FlowPlan, forgetCounters, makeSinkNode, prolong } from './flows.ts';
import { helperEngine, type LinkNode, openLinkNode, ownSocket } from './link-node.ts';

/** How long to take what comes. */
export interface SinkQuestion extends FlowPlan {
  /** Open this many first; 0: none. */
  readonly checkDatagrams: number;
  /** 0: what lies in the socket is only thrown away. */
  readonly seconds: number;
}

/** What was found. */
export interface SinkReading {
  readonly opened: number;
  readonly refused: number;
}

const PLACES = 64;
/** The rest of a message is dropped by the kernel. */
const PLACE_BYTES = 64;
const WAIT_MS = 1;
const POLLIN = 1;
/** After one relay. */
const HOPS = 15;

const nodes = new Map<string, LinkNode>();
const memory = allocateNative(PLACES * PLACE_BYTES + 8);

function nodeOf({ flowCount, tokenCount }: FlowPlan): LinkNode {
  const name = `${flowCount} ${tokenCount}`;
  const node = nodes.get(name) ?? openLinkNode(makeSinkNode({ flowCount, tokenCount }), helperEngine());
  nodes.set(name, node);
  prolong(node.node, monotonicMs());
  return node;
}

/** Receives a batch and opens its headers. */
function check({ node, engine }: LinkNode): SinkReading {
  const count = engine.receive();
  engine.openLink(count, CARRIER_UDP);
  engine.forward(count);
  let opened = 0;
  for (let index = 0; index < count; index++) {
    const word = (ARENA.rxDatagrams + index * RxDatagram.size) >> 2;
    const isLocal = node.arena.u32[word + (RxDatagram.at.verdict >> 2)] === RX_LOCAL;
    const hops = controlHops(node.arena.u32[word + (RxDatagram.at.control >> 2)] ?? 0);
    if (isLocal && hops === HOPS) opened++;
  }
  return { opened, refused: count - opened };
}

function waitForInput(fd: number): void {
  memory.i32[(PLACES * PLACE_BYTES) >> 2] = fd;
  memory.u16[(PLACES * PLACE_BYTES + 4) >> 1] = POLLIN;
  libc.poll(memory.address + PLACES * PLACE_BYTES, 1, WAIT_MS);
}

answerBench((question: SinkQuestion): SinkReading => {
  const { checkDatagrams, seconds } = question;
  const { fd } = ownSocket();
  const receiver = new MessageReceiver(fd, { address: memory.address, bytes: PLACE_BYTES, count: PLACES });
  const node = nodeOf(question);
  if (seconds === 0) while (receiver.receive() > 0);
  forgetCounters(node.node, node.lanes);
  node.engine.wait(0, 0); // sets the clock
  const endMs = performance.now() + seconds * 1000;
  const found = { opened: 0, refused: 0 };
  while (performance.now() < endMs) {
    if (found.opened + found.refused < checkDatagrams) {
      const { opened, refused } = check(node);
      found.opened += opened;
      found.refused += refused;
      if (opened + refused === 0) waitForInput(fd);
    } else if (receiver.receive() === 0) waitForInput(fd);
  }
  return found;
});
