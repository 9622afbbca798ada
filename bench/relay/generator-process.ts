/**
 * The process that offers the relay more than it can take: trains of valid link datagrams, each closed anew under its
 * lane's next counters, so that none is a replay. What is behind the header is never opened on the way and stays as it is.
 */
import { FRAME_UNICAST, NONE, Train, TxDatagram } from '../../dataplane/shm/layout.ts';
import { ARENA } from '../../dataplane/shm/memory-map.ts';
import { controlWord } from '../../dataplane/wire/link-datagram.ts';
import { setFields } from '../../test/harness/table-writer.ts';
import { answerBench } from './child.ts';
import { makeGeneratorNode, tokenOf } from './flows.ts';
import { helperEngine, type LinkNode, openLinkNode } from './link-node.ts';

/** What is to be sent, and for how long. */
export interface GeneratorQuestion {
  readonly peer: string;
  readonly flowCount: number;
  readonly datagramBytes: number;
  /** Datagrams of a train, which all are of one flow. */
  readonly trainDatagrams: number;
  readonly seconds: number;
}

/** Of a frame that was sealed for one member, with all hops left. */
const CONTROL = controlWord(1, 1, 16, 0);

const nodes = new Map<number, LinkNode>();

function nodeOf({ flowCount, peer }: GeneratorQuestion): LinkNode {
  const node = nodes.get(flowCount) ?? openLinkNode(makeGeneratorNode(flowCount), helperEngine(), peer);
  nodes.set(flowCount, node);
  return node;
}

/** One train a flow. Their datagrams share their bytes: each train is sent before the next is closed. */
function layTrains({ node, lanes, trunks }: LinkNode, question: GeneratorQuestion): void {
  const { datagramBytes, trainDatagrams, flowCount } = question;
  const { buffer } = node.arena;
  for (let flow = 0; flow < flowCount; flow++) {
    for (let index = 0; index < trainDatagrams; index++) {
      setFields(buffer, TxDatagram, ARENA.txDatagrams + (flow * trainDatagrams + index) * TxDatagram.size, {
        offset: ARENA.txBuffer + index * datagramBytes,
        length: datagramBytes,
        token: tokenOf(flow),
        control: CONTROL,
        verdict: FRAME_UNICAST,
      });
    }
    setFields(buffer, Train, ARENA.trains + flow * Train.size, {
      first: flow * trainDatagrams,
      count: trainDatagrams,
      trunk: trunks[flow] ?? NONE,
      lane: lanes[flow] ?? NONE,
      bytes: trainDatagrams * datagramBytes,
    });
  }
}

answerBench((question: GeneratorQuestion): number => {
  const node = nodeOf(question);
  const { engine } = node;
  layTrains(node, question);
  engine.wait(0, 0); // sets the clock
  const endMs = performance.now() + question.seconds * 1000;
  let sent = 0;
  for (let train = 0; performance.now() < endMs; train = (train + 1) % question.flowCount) {
    if (engine.closeLink(train) !== 0) throw new Error('a lane of the generator has ended');
    engine.send(train);
    sent += question.trainDatagrams;
  }
  return sent;
});
