/** What a generator sends is what the bench says that it is: a relay passes it on, or drops it for the reason meant. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { COUNTER } from '../../dataplane/base/counter.ts';
import { DROP, type DropName } from '../../dataplane/base/drop-code.ts';
import { CARRIER_UDP, RxDatagram, RxMessage } from '../../dataplane/shm/layout.ts';
import { ARENA, COUNTER_BASE } from '../../dataplane/shm/memory-map.ts';
import { putDatagrams, START_MS, takeTrain } from '../../test/harness/dataplane-fixture.ts';
import { NO_IO } from '../../test/harness/no-io.ts';
import { setFields } from '../../test/harness/table-writer.ts';
import { createEngine } from '../path/cable.ts';
import {
  type FlowPlan,
  makeGeneratorNode,
  makeRelayNode,
  type Passage,
  prolong,
  relayedOf,
  tokenOf,
  tokensOf,
} from './flows.ts';
import { HOSTILE_KINDS, type HostileKind } from './hostile-kinds.ts';
import type { LinkNode } from './link-node.ts';
import { receiveAndSend } from './loop-engine.ts';
import { hostileTrains, type TrainSource, validTrains } from './trains.ts';

const SHAPE = { datagramBytes: 1472, datagrams: 4 };
const REASONS: Readonly<Record<HostileKind, readonly DropName[]>> = {
  forged: ['token-unknown'],
  replayed: ['link-replay'],
  truncated: ['datagram-short'],
  oversized: ['path-too-small'],
  random: ['datagram-version', 'receiver-unknown'],
};

/** A generator whose trains are kept, and a relay that is given them. */
class Chain {
  readonly generator: LinkNode;
  readonly relay: LinkNode;
  #kept: Uint8Array[] = [];

  constructor(plan: FlowPlan, passage: Passage = 'plain') {
    const flows = makeGeneratorNode(plan);
    const send = (train: number): void => {
      this.#kept.push(...takeTrain(flows.node, train));
    };
    this.generator = { ...flows, engine: createEngine('typescript', flows.node, { ...NO_IO, send }) };
    const middle = makeRelayNode(plan, passage);
    this.relay = { ...middle, engine: createEngine('typescript', middle.node, NO_IO) };
    for (const { node } of [this.generator, this.relay]) prolong(node, START_MS);
  }

  /** What the next train consists of. */
  next(source: TrainSource): readonly Uint8Array[] {
    this.#kept = [];
    source.send();
    return this.#kept;
  }

  /** Has the relay receive datagrams. @returns how many left it */
  pass(datagrams: readonly Uint8Array[], relay = this.relay): number {
    const before = relayedOf(relay.node, 0) + relayedOf(relay.node, 1);
    relay.engine.carryIn(putDatagrams(relay.node, datagrams), CARRIER_UDP);
    return relayedOf(relay.node, 0) + relayedOf(relay.node, 1) - before;
  }

  dropped(code: DropName): number {
    return this.relay.node.arena.counters[DROP[code]] ?? 0;
  }
}

describe('valid trains', () => {
  const single = { flowCount: 1, tokenCount: 1 };

  for (const passage of ['plain', 'several', 'foreign'] as const) {
    it(`pass a relay, again and again: ${passage}`, () => {
      const chain = new Chain(single, passage);
      const source = validTrains(chain.generator, 0, SHAPE, { tokens: [tokenOf(0)], turn: 'train' });
      for (let train = 0; train < 3; train++) assert.equal(chain.pass(chain.next(source)), SHAPE.datagrams);
    });
  }

  it('are looked for in the cache of recent frames where their token has several ways', () => {
    const chain = new Chain(single, 'several');
    const source = validTrains(chain.generator, 0, SHAPE, { tokens: [tokenOf(0)], turn: 'train' });
    const [first, second] = [chain.next(source), chain.next(source)];
    chain.pass(first);
    const copies = second.map((datagram, index) => {
      const copy = Uint8Array.from(datagram);
      copy.set((first[index] ?? datagram).subarray(32), 32);
      return copy;
    });
    assert.equal(chain.pass(copies), 0);
    assert.equal(chain.dropped('duplicate'), SHAPE.datagrams);
  });

  for (const turn of ['train', 'datagram'] as const) {
    it(`go over all tokens, by the ${turn}`, () => {
      const plan = { flowCount: 1, tokenCount: 6 };
      const chain = new Chain(plan);
      const source = validTrains(chain.generator, 0, SHAPE, { tokens: tokensOf(plan, 0), turn });
      const used = Array.from({ length: 3 }, () => {
        assert.equal(chain.pass(chain.next(source)), SHAPE.datagrams);
        return tokensReceived(chain.relay);
      });
      const wanted = turn === 'train' ? [1, 1, 1] : [4, 4, 4];
      assert.deepEqual(
        used.map((tokens) => new Set(tokens).size),
        wanted,
      );
      assert.equal(new Set(used.flat()).size, turn === 'train' ? 3 : 6);
    });
  }
});

describe('hostile trains', () => {
  for (const kind of HOSTILE_KINDS) {
    it(`are dropped and counted, each datagram of them: ${kind}`, () => {
      const chain = new Chain({ flowCount: 2, tokenCount: 1 });
      const source = hostileTrains(chain.generator, 1, kind, SHAPE);
      if (kind === 'replayed') assert.equal(chain.pass(chain.next(source)), SHAPE.datagrams);
      for (let train = 0; train < 2; train++) assert.equal(chain.pass(chain.next(source)), 0);
      const counted = REASONS[kind].map((code) => chain.dropped(code));
      assert.equal(
        counted.reduce((sum, count) => sum + count, 0),
        2 * source.datagrams,
      );
      assert.ok(
        counted.every((count) => count > 0),
        String(counted),
      );
    });

    it(`leave a transfer between them alone: ${kind}`, () => {
      const chain = new Chain({ flowCount: 2, tokenCount: 1 });
      const hostile = hostileTrains(chain.generator, 1, kind, SHAPE);
      const transfer = validTrains(chain.generator, 0, SHAPE, { tokens: [tokenOf(0)], turn: 'train' });
      for (let round = 0; round < 3; round++) {
        chain.pass(chain.next(hostile));
        chain.pass(chain.next(transfer));
      }
      assert.equal(relayedOf(chain.relay.node, 0), 3 * SHAPE.datagrams);
    });
  }
});

describe('the loop beside a relay', () => {
  it('sends trains on as they came, and looks at no header', () => {
    const chain = new Chain({ flowCount: 1, tokenCount: 1 });
    const sent: Uint8Array[] = [];
    const { node } = chain.relay;
    const send = (train: number): void => {
      sent.push(node.arena.bytes.slice(...trainBytes(chain.relay, train)));
    };
    const engine = createEngine('typescript', node, { ...NO_IO, send });
    const loop = receiveAndSend({ ...chain.relay, engine });
    const source = validTrains(chain.generator, 0, SHAPE, { tokens: [tokenOf(0)], turn: 'train' });
    const train = chain.next(source);
    describeMessage(chain.relay, train);
    assert.equal(chain.pass(train, loop), 0);
    assert.equal(node.arena.counters[COUNTER_BASE + COUNTER.datagramsForwarded], 0);
    assert.deepEqual(sent, [new Uint8Array(Buffer.concat(train))]);
  });
});

/** As receive does of a GRO train. */
function describeMessage({ node }: LinkNode, train: readonly Uint8Array[]): void {
  const length = train.reduce((sum, datagram) => sum + datagram.length, 0);
  const fields = { offset: ARENA.rxBuffer, length, segmentBytes: SHAPE.datagramBytes };
  setFields(node.arena.buffer, RxMessage, ARENA.messages, fields);
}

/** Tokens of the datagrams that the relay opened last. */
function tokensReceived({ node }: LinkNode): string[] {
  return Array.from({ length: SHAPE.datagrams }, (_, index) => {
    const at = ARENA.rxDatagrams + index * RxDatagram.size + RxDatagram.at.token;
    return Buffer.from(node.arena.bytes.slice(at, at + 16)).toString('hex');
  });
}

/** Where the bytes of a train lie that the loop has laid. */
function trainBytes({ node }: LinkNode, train: number): [from: number, to: number] {
  const [first] = takeTrain(node, train);
  assert.equal(first?.length, SHAPE.datagramBytes);
  return [ARENA.rxBuffer, ARENA.rxBuffer + SHAPE.datagrams * SHAPE.datagramBytes];
}
