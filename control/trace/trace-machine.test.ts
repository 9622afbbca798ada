/** Behaviour of traces over a line of five nodes on virtual time, and of one node against hostile neighbours. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { INITIAL_HOPS } from '../../dataplane/shm/layout.ts';
import type { TraceHop, TraceLink, TraceSummary } from '../admin/inspection.ts';
import { TraceMachine } from './trace-machine.ts';
import {
  decodeTrace,
  encodeTraceAnswer,
  encodeTraceQuestion,
  type TraceAnswer,
  type TraceQuestion,
} from './trace-message.ts';
import type { TraceEffect, TraceInput } from './trace-port.ts';

const SEGMENT = new Uint8Array(16).fill(3);
const TOKEN = new Uint8Array(16).fill(4);
const UDP: TraceLink = { carrier: 'udp', rttMs: 10, datagramMtuBytes: 1472 };
const QUESTION: TraceQuestion = {
  kind: 'question',
  id: new Uint8Array(8).fill(9),
  segmentId: SEGMENT,
  token: TOKEN,
  hopsLeft: 15,
  hop: 1,
};
const ANSWER: TraceAnswer = {
  kind: 'answer',
  id: new Uint8Array(8).fill(1),
  hop: 1,
  outcome: 'passed-on',
  next: UDP,
  peer: '2',
};

interface NodeFacts {
  /** Neighbours by name; the next one towards the token. */
  readonly next?: string;
  readonly links: Readonly<Record<string, TraceLink>>;
  readonly isLocal?: boolean;
  readonly hidden?: boolean;
  readonly refuses?: boolean;
}

/** Machines with trunks between them, each of its own round trip. */
class Line {
  nowMs = 0;
  readonly hops: TraceHop[] = [];
  summary: TraceSummary | undefined;
  readonly machines = new Map<string, TraceMachine>();
  readonly facts = new Map<string, NodeFacts>();
  #queue: { readonly atMs: number; readonly to: string; readonly input: TraceInput }[] = [];
  #ids = 0;

  add(name: string, facts: NodeFacts): void {
    this.facts.set(name, facts);
    const own = (): NodeFacts => this.facts.get(name) ?? facts;
    const machine = new TraceMachine({
      self: name,
      randomBytes: (count) => new Uint8Array(count).fill(++this.#ids),
      wayOf: (segmentId, token) => {
        const isOurs = segmentId.every((byte) => byte === 3) && token.every((byte) => byte === 4);
        if (own().refuses === true || !isOurs) return undefined;
        return { isLocal: own().isLocal === true, next: own().next };
      },
      linkTo: (peer) => own().links[peer],
      isShown: () => own().hidden !== true,
    });
    this.machines.set(name, machine);
  }

  input(name: string, input: TraceInput): readonly TraceEffect[] {
    const effects = this.machines.get(name)?.handle(input, this.nowMs) ?? [];
    for (const effect of effects) this.#perform(name, effect);
    return effects;
  }

  trace(from: string, first: string | undefined, timeoutMs = 500): void {
    const target = { peer: '5', mac: '02:00:00:00:00:05', segmentId: SEGMENT, token: TOKEN, first };
    this.input(from, { kind: 'trace', trace: 1, target, timeoutMs });
    this.run();
  }

  run(): void {
    for (;;) {
      const dues = [...this.machines.values()].map((machine) => machine.nextTimeoutMs());
      const next = Math.min(...dues, ...this.#queue.map(({ atMs }) => atMs));
      if (next === Number.POSITIVE_INFINITY) return;
      this.nowMs = Math.max(this.nowMs, next);
      const due = this.#queue.filter(({ atMs }) => atMs <= this.nowMs);
      this.#queue = this.#queue.filter(({ atMs }) => atMs > this.nowMs);
      for (const { to, input } of due) this.input(to, input);
      for (const name of this.machines.keys()) this.input(name, { kind: 'tick' });
    }
  }

  #perform(from: string, effect: TraceEffect): void {
    if (effect.kind === 'hop') this.hops.push(effect.hop);
    if (effect.kind === 'done') this.summary = effect.summary;
    if (effect.kind !== 'send') return;
    const rttMs = this.facts.get(from)?.links[effect.peer]?.rttMs ?? 0;
    const input = { kind: 'heard' as const, peer: from, bytes: effect.bytes };
    this.#queue.push({ atMs: this.nowMs + rttMs / 2, to: effect.peer, input });
  }
}

function line(changes: Readonly<Record<string, Partial<NodeFacts>>> = {}): Line {
  const world = new Line();
  const links: Readonly<Record<string, TraceLink>> = {
    '12': UDP,
    '23': { carrier: 'stream', rttMs: 40, datagramMtuBytes: 1400 },
    '34': { carrier: 'circuit', rttMs: 100, datagramMtuBytes: 1280 },
    '45': UDP,
  };
  for (let node = 1; node <= 5; node++) {
    const before = links[`${node - 1}${node}`];
    const after = links[`${node}${node + 1}`];
    const own = {
      ...(before === undefined ? {} : { [String(node - 1)]: before }),
      ...(after === undefined ? {} : { [String(node + 1)]: after }),
    };
    const next = node < 5 ? { next: String(node + 1) } : { isLocal: true };
    world.add(String(node), { links: own, ...next, ...changes[String(node)] });
  }
  return world;
}

test('each hop of a line of five answers for itself, with its time, carrier and size', () => {
  const world = line();
  world.trace('1', '2');
  assert.deepEqual(
    world.hops.map(({ hop, peer, elapsedMs, next }) => [hop, peer, elapsedMs, next?.carrier ?? null]),
    [
      [0, '1', null, 'udp'],
      [1, '2', 10, 'stream'],
      [2, '3', 50, 'circuit'],
      [3, '4', 150, 'udp'],
      [4, '5', 160, null],
    ],
  );
  assert.deepEqual(world.hops[2]?.next, { carrier: 'circuit', rttMs: 100, datagramMtuBytes: 1280 });
  assert.deepEqual(world.summary, {
    peer: '5',
    mac: '02:00:00:00:00:05',
    outcome: 'reached',
    pathMtuBytes: 1280,
  });
  assert.equal(world.machines.get('1')?.nextTimeoutMs(), Number.POSITIVE_INFINITY);
});

test('a node that does not say who it is is a hop without a name', () => {
  const world = line({ '3': { hidden: true } });
  world.trace('1', '2');
  assert.deepEqual(
    world.hops.map(({ peer }) => peer),
    ['1', '2', null, '4', '5'],
  );
});

test('a node that says nothing is where it ends', () => {
  const world = line({ '4': { refuses: true } });
  world.trace('1', '2');
  assert.deepEqual(
    world.hops.map(({ peer }) => peer),
    ['1', '2', '3'],
  );
  assert.equal(world.summary?.outcome, 'silent');
  assert.equal(world.summary.pathMtuBytes, null);
  assert.equal(world.nowMs, 50 + 500);
  assert.equal(world.machines.get('4')?.counters.traceForeign, 1);
});

test('a node that knows no way says so, and one without a first hop asks nobody', () => {
  const world = line();
  world.facts.set('3', { links: world.facts.get('3')?.links ?? {} });
  world.trace('1', '2');
  assert.equal(world.summary?.outcome, 'no-route');
  assert.equal(world.hops.length, 3);
  const alone = line();
  alone.trace('1', undefined);
  assert.deepEqual(
    alone.hops.map(({ peer, next }) => [peer, next]),
    [['1', null]],
  );
  assert.equal(alone.summary?.outcome, 'no-route');
});

test('a question that goes in a circle ends', () => {
  const world = line({ '3': { next: '2' } });
  world.trace('1', '2');
  assert.equal(world.summary?.outcome, 'silent');
  assert.equal(world.machines.get('2')?.counters.traceRepeated, 1);
});

test('a question goes as far as a frame does', () => {
  const world = new Line();
  const name = (node: number): string => `n${'x'.repeat(node % 50)}${Math.floor(node / 50) + 1}`;
  for (let node = 0; node < INITIAL_HOPS + 5; node++) {
    world.add(name(node), { links: { [name(node + 1)]: UDP }, next: name(node + 1) });
  }
  world.trace(name(0), name(1));
  assert.equal(world.summary?.outcome, 'hop-limit');
  assert.equal(world.hops.length, 1 + INITIAL_HOPS);
});

test('a trace that is stopped is over', () => {
  const world = line();
  const target = { peer: '5', mac: '', segmentId: SEGMENT, token: TOKEN, first: '2' };
  world.input('1', { kind: 'trace', trace: 1, target, timeoutMs: 500 });
  world.input('1', { kind: 'stop-trace', trace: 1 });
  assert.equal(world.summary?.outcome, 'silent');
  world.run();
  assert.equal(world.machines.get('1')?.counters.traceUnexpected, 4);
});

function heard(world: Line, peer: string, message: TraceQuestion | TraceAnswer): readonly TraceEffect[] {
  const bytes = message.kind === 'question' ? encodeTraceQuestion(message) : encodeTraceAnswer(message);
  return world.machines.get('2')?.handle({ kind: 'heard', peer, bytes }, world.nowMs) ?? [];
}

test('one who asks too often is answered ten times a second, and the others still', () => {
  const world = line();
  let answered = 0;
  for (world.nowMs = 0; world.nowMs < 2000; world.nowMs++) {
    const id = new Uint8Array(8);
    new DataView(id.buffer).setUint32(0, world.nowMs);
    if (heard(world, '1', { ...QUESTION, id }).length > 0) answered++;
  }
  assert.ok(answered >= 20 && answered <= 40, `${answered} answered`);
  assert.equal(heard(world, '3', { ...QUESTION, id: new Uint8Array(8).fill(7) }).length, 2);
});

test('what is remembered is bounded, and forgotten', () => {
  const world = line();
  for (let peer = 0; peer < 1_000; peer++) {
    for (let index = 0; index < 20; index++) {
      const id = new Uint8Array(8);
      new DataView(id.buffer).setUint32(0, peer * 20 + index);
      heard(world, `p${peer}`, { ...QUESTION, id });
    }
  }
  const machine = world.machines.get('2');
  assert.equal(machine?.remembered, 10_240);
  machine.handle({ kind: 'tick' }, 60_001);
  assert.equal(machine.remembered, 0);
});

test('an answer is handed back only from where the question went, as often as there can be hops', () => {
  const world = line();
  heard(world, '1', { ...QUESTION, hopsLeft: 3 });
  const answer = { ...ANSWER, id: QUESTION.id, hop: 2 };
  assert.deepEqual(heard(world, '1', answer), []);
  assert.deepEqual(heard(world, '9', answer), []);
  for (let count = 0; count < 3; count++) {
    const [effect] = heard(world, '3', answer);
    assert.ok(effect?.kind === 'send' && effect.peer === '1');
  }
  assert.deepEqual(heard(world, '3', answer), []);
  assert.equal(world.machines.get('2')?.counters.traceUnexpected, 3);
});

test('the asker takes answers of its first hop alone, each once and in order', () => {
  const world = line();
  const target = { peer: '5', mac: '', segmentId: SEGMENT, token: TOKEN, first: '3' };
  const [, sent] =
    world.machines.get('2')?.handle({ kind: 'trace', trace: 1, target, timeoutMs: 500 }, 0) ?? [];
  assert.ok(sent?.kind === 'send');
  const asked = decodeTrace(sent.bytes);
  assert.ok(asked?.kind === 'question');
  const answer = { ...ANSWER, id: asked.id };
  assert.deepEqual(heard(world, '1', answer), []);
  assert.deepEqual(heard(world, '3', { ...answer, hop: 2 }), []);
  assert.equal(heard(world, '3', answer)[0]?.kind, 'hop');
  assert.deepEqual(heard(world, '3', answer), []);
  assert.deepEqual(
    heard(world, '3', { ...answer, hop: 2, outcome: 'reached' }).map(({ kind }) => kind),
    ['hop', 'done'],
  );
});

test('any bytes are taken without harm, and what is not whole is counted', () => {
  const world = line();
  const machine = world.machines.get('2');
  for (const whole of [encodeTraceQuestion(QUESTION), encodeTraceAnswer(ANSWER)]) {
    for (let at = 0; at < whole.length; at++) assert.equal(decodeTrace(whole.subarray(0, at)), undefined);
    assert.equal(decodeTrace(Uint8Array.from([...whole, 0])), undefined);
  }
  assert.equal(decodeTrace(encodeTraceAnswer({ ...ANSWER, peer: 'a\u001bb' })), undefined);
  assert.deepEqual(decodeTrace(encodeTraceAnswer(ANSWER)), ANSWER);
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 120 }), fc.nat(3), (bytes, type) => {
      machine?.handle({ kind: 'heard', peer: 'x', bytes: Uint8Array.from([type, ...bytes]) }, 0);
    }),
  );
  assert.ok((machine?.counters.traceMalformed ?? 0) > 0);
});
