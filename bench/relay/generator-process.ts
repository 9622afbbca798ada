/**
 * The process that offers the relay more than it can take: trains of valid link datagrams, each closed anew under its
 * lane's next counters, so that none is a replay. What is behind the header is never opened on the way. The flows take
 * turns, train by train; one of them may be a hostile neighbour's.
 */
import { monotonicMs } from '../../dataplane/io/clock.ts';
import { answerBench } from './child.ts';
import { type FlowPlan, makeGeneratorNode, prolong, tokensOf } from './flows.ts';
import type { HostileKind } from './hostile-kinds.ts';
import { helperEngine, type LinkNode, openLinkNode } from './link-node.ts';
import { hostileTrains, type TokenTurn, type TrainShape, type TrainSource, validTrains } from './trains.ts';

/** What is to be sent, and for how long. */
export interface GeneratorQuestion extends FlowPlan, TrainShape {
  readonly peer: string;
  readonly seconds: number;
  readonly turn: TokenTurn['turn'];
  /** What the last flow's trains are replaced by; absent: they are valid as the others'. */
  readonly hostile?: HostileKind;
}

const nodes = new Map<number, LinkNode>();
let tokens: readonly Uint8Array[] = [];

function nodeOf(question: GeneratorQuestion): LinkNode {
  const { flowCount, peer } = question;
  const node = nodes.get(flowCount) ?? openLinkNode(makeGeneratorNode(question), helperEngine(), peer);
  nodes.set(flowCount, node);
  prolong(node.node, monotonicMs());
  return node;
}

function sourcesOf(node: LinkNode, question: GeneratorQuestion): TrainSource[] {
  const { flowCount, tokenCount, hostile, turn } = question;
  if (tokens.length !== tokenCount) tokens = tokensOf(question, 0);
  return Array.from({ length: flowCount }, (_, flow) => {
    if (hostile !== undefined && flow + 1 === flowCount) return hostileTrains(node, flow, hostile, question);
    return validTrains(node, flow, question, {
      tokens: flow === 0 ? tokens : tokensOf(question, flow),
      turn,
    });
  });
}

answerBench((question: GeneratorQuestion): number => {
  const node = nodeOf(question);
  const sources = sourcesOf(node, question);
  node.engine.wait(0, 0); // sets the clock
  const endMs = performance.now() + question.seconds * 1000;
  let sent = 0;
  while (performance.now() < endMs) {
    for (const source of sources) {
      source.send();
      sent += source.datagrams;
    }
  }
  return sent;
});
