/** Behaviour of announcements that are passed on along a tree, and towards neighbours that lie about where they lead. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ROUTE_LIMIT, ROUTE_TIMING } from './route-limits.ts';
import { decodeRouteMessage, encodePaths, type RoutePath } from './route-message.ts';
import {
  EPOCH,
  epochOf,
  forge,
  Net,
  type Node,
  nonceOf,
  routeOf,
  routesFrom,
  tokenOf,
} from './token-routes.fixture.ts';

const { segment } = EPOCH;

/** Nodes and the edges of their tree; lower-case names are members, upper-case ones relays. */
class Tree extends Net {
  readonly #edges = new Map<string, { trunk: boolean; forwarding: boolean }>();

  /** @param edges - `a-R`: a trunk in the tree, `a~b`: one that is not */
  constructor(...edges: readonly string[]) {
    super();
    for (const edge of edges) {
      const isForwarding = edge.includes('-');
      const [one, other] = edge.split(isForwarding ? '-' : '~') as [string, string];
      this.#edges.set(`${one} ${other}`, { trunk: true, forwarding: isForwarding });
      for (const name of [one, other]) {
        if (!this.nodes.has(name)) {
          this.#join(this.node(name));
        }
      }
    }
    this.tell();
  }

  #join(node: Node): void {
    if (node.name === node.name.toLowerCase()) {
      node.want(EPOCH, [routeOf(0), ownRoute(node.name)]);
    } else {
      node.carry();
    }
  }

  /** Changes the tree, at both ends. */
  set(edge: string, forwarding: boolean): this {
    const [one, other] = edge.split('-') as [string, string];
    this.#edges.set(`${one} ${other}`, { trunk: true, forwarding });
    return this.tell();
  }

  cut(edge: string): this {
    const [one, other] = edge.split('-') as [string, string];
    this.#edges.delete(`${one} ${other}`);
    this.node(one).handle({ kind: 'trunk-down', peer: other });
    this.node(other).handle({ kind: 'trunk-down', peer: one });
    return this.tell();
  }

  tell(): this {
    for (const node of this.nodes.values()) {
      const ends = [...this.#edges].flatMap(([key, edge]) => {
        const [one, other] = key.split(' ') as [string, string];
        const peer = one === node.name ? other : one;
        return one === node.name || other === node.name ? [{ ...edge, node: this.node(peer) }] : [];
      });
      node.partners(EPOCH, ...ends.map((end) => end.node));
      node.ports(EPOCH, ...ends.filter(({ forwarding }) => forwarding).map((end) => end.node));
    }
    this.settle();
    return this;
  }
}

function ownRoute(name: string): Uint8Array {
  return routeOf(name.charCodeAt(0));
}

/** What a member alone wants; 0: all of them. */
function token(name: string): Uint8Array {
  return tokenOf(name === '0' ? 0 : name.charCodeAt(0));
}

test('a token leads to the ports behind which somebody wants it, and to no other', () => {
  const tree = new Tree('a-R', 'R-S', 'S-b', 'S-c');
  const leads = (name: string): Record<string, readonly string[]> => ({
    all: tree.node(name).leadsTo(token('0')),
    a: tree.node(name).leadsTo(token('a')),
    b: tree.node(name).leadsTo(token('b')),
  });

  assert.deepEqual(leads('a'), { all: ['R'], a: [], b: ['R'] });
  assert.deepEqual(leads('R'), { all: ['S', 'a'], a: ['a'], b: ['S'] });
  assert.deepEqual(leads('S'), { all: ['R', 'b', 'c'], a: ['R'], b: ['b'] });
  assert.deepEqual(leads('b'), { all: ['S'], a: ['S'], b: [] });
});

test('the path to a member is the least of the trunks on the way, and follows their changes', () => {
  const tree = new Tree('a-R', 'R-S', 'S-b');
  const size = (at: string, peer: string, datagramMtuBytes: number): void => {
    tree.node(at).handle({ kind: 'trunk-size', peer, datagramMtuBytes });
    tree.settle();
  };
  size('a', 'R', 1_472);
  size('R', 'S', 1_412);
  size('S', 'b', 8_972);
  const path = { peer: 'R', pathMtuBytes: 1_412, hops: 2 };
  assert.deepEqual(tree.node('a').machine.pathOf(segment.id, nonceOf('b')), path);
  assert.deepEqual(tree.node('a').machine.routesOf(token('b')), [{ peer: 'R', pathMtuBytes: 1_412 }]);

  tree.node('a').changed.clear();
  const { accepted } = tree.node('a').machine.counters;
  size('S', 'b', 1_300);
  assert.equal(tree.node('a').machine.pathOf(segment.id, nonceOf('b'))?.pathMtuBytes, 1_300);
  assert.ok(tree.node('a').hasChanged(token('b')));
  assert.equal(tree.node('a').machine.counters.accepted, accepted, 'a path is told without the set');
});

test('what the announcer signed arrives as it was', () => {
  const tree = new Tree('a-R', 'R-b');
  tree.node('a').want(EPOCH, [routeOf(0), ownRoute('a'), ...routesFrom(1_000, 30)]);
  tree.run(ROUTE_TIMING.batchMs);
  const seen: Uint8Array[] = [];
  const keep = (bytes: Uint8Array): boolean => {
    seen.push(bytes);
    return true;
  };
  tree.node('a').want(EPOCH, [routeOf(0), ...routesFrom(1_000, 30)]);
  tree.settle(keep);

  const [first, second] = seen.map(decodeRouteMessage);
  assert.equal(seen.length, 2, 'one message an edge');
  assert.ok(first?.kind === 'announce' && second?.kind === 'announce');
  assert.deepEqual([first.hops, second.hops], [0, 1]);
  assert.deepEqual([second.signed, second.signature], [first.signed, first.signature]);
  assert.notEqual(first.base, 0, 'a change was passed on as a change');
  assert.deepEqual(tree.node('b').leadsTo(token('a')), []);
});

test('a trunk beside the tree tells its two ends of each other, and of nobody else', () => {
  const tree = new Tree('a-R', 'R-b', 'a~b', 'a~S', 'S-c');
  const { machine } = tree.node('a');

  assert.deepEqual(tree.node('a').leadsTo(token('b')), ['R'], 'floods go by the tree');
  assert.deepEqual(machine.pathOf(segment.id, nonceOf('b'))?.peer, 'R');
  assert.equal(machine.pathOf(segment.id, nonceOf('c')), undefined);
  tree.set('a-R', false);
  const direct = { peer: 'b', pathMtuBytes: 65_535, hops: 0 };
  assert.deepEqual(machine.pathOf(segment.id, nonceOf('b')), direct);
  assert.deepEqual(tree.node('a').leadsTo(token('b')), []);
  assert.deepEqual(machine.wantedBy(token('b')), [Buffer.from(nonceOf('b')).toString('hex')]);
  const passed = forge({}, { head: { pathMtuBytes: 1_472, hops: 1 } });
  tree.node('a').hear('b', passed);
  assert.deepEqual(machine.counters.notForwarding, 1);
});

test('a port that stops takes with it what it led to, all the way', () => {
  const tree = new Tree('a-R', 'R-S', 'S-b', 'S-c');
  tree.node('a').changed.clear();
  tree.set('R-S', false);

  assert.deepEqual(tree.node('a').leadsTo(token('b')), []);
  assert.deepEqual(tree.node('a').machine.wantedBy(token('b')), []);
  assert.ok(tree.node('a').hasChanged(token('b')) && tree.node('a').hasChanged(token('0')));
  assert.deepEqual(tree.node('S').leadsTo(token('0')), ['b', 'c']);
  assert.deepEqual(tree.node('c').leadsTo(token('a')), []);
});

test('a port that comes back leads nowhere until its neighbour says so', () => {
  const tree = new Tree('a-R', 'R-S', 'S-b');
  tree.set('R-S', false);
  const [r, s] = [tree.node('R'), tree.node('S')];
  r.ports(EPOCH, tree.node('a'), s);
  assert.deepEqual(r.leadsTo(token('b')), []);
  tree.settle();
  assert.deepEqual(r.leadsTo(token('b')), [], 'S does not forward to R yet');
  s.ports(EPOCH, r, tree.node('b'));
  tree.settle();
  assert.deepEqual(r.leadsTo(token('b')), ['S']);
  assert.deepEqual(s.leadsTo(token('a')), [], 'what R said was too early');
  tree.run(ROUTE_TIMING.pullDelayMs);
  assert.deepEqual(tree.node('b').leadsTo(token('a')), ['S'], 'so it is asked');
});

test('a trunk that ends takes it, too, and an epoch that is forgotten, and a segment that is carried no more', () => {
  const leadsToB = (tree: Tree): readonly string[] => tree.node('a').leadsTo(token('b'));
  const cut = new Tree('a-R', 'R-S', 'S-b');
  assert.deepEqual(leadsToB(cut.cut('S-b')), []);
  assert.deepEqual(cut.node('a').leadsTo(token('0')), []);

  const forgotten = new Tree('a-R', 'R-S', 'S-b');
  forgotten.node('b').handle({ kind: 'forget', segmentId: segment.id });
  forgotten.settle();
  assert.deepEqual(leadsToB(forgotten), []);
  assert.deepEqual(forgotten.node('S').leadsTo(token('a')), ['R']);

  const given = new Tree('a-R', 'R-S', 'S-b');
  given.node('S').handle({ kind: 'uncarry', segmentId: segment.id });
  given.settle();
  assert.deepEqual(leadsToB(given), []);
  assert.equal(given.node('S').machine.live, 0);
});

test('one who vanished without a word is forgotten everywhere, in time', () => {
  const tree = new Tree('a-R', 'R-S', 'S-b');
  tree.node('S').hear('b', forge({ expiresAtUnixMs: tree.clock.now().unixMs + 5_000 }));
  tree.settle();
  assert.deepEqual(tree.node('a').leadsTo(tokenOf(9)), ['R']);
  tree.run(5_100);
  assert.deepEqual(tree.node('a').leadsTo(tokenOf(9)), []);
  assert.deepEqual(tree.node('a').leadsTo(token('b')), ['R']);
});

test('when the tree leads another way, all is known again without a set or a signature', () => {
  const tree = new Tree('a-R', 'R-S', 'S-b', 'R~T', 'T~S', 'S-c');
  const sets: Uint8Array[] = [];
  const before = [...tree.nodes.values()].map(({ machine }) => machine.counters.accepted);
  const watch = (bytes: Uint8Array): boolean => {
    if (decodeRouteMessage(bytes)?.kind === 'announce') {
      sets.push(bytes);
    }
    return true;
  };
  tree.set('R-S', false);
  tree.set('R-T', true);
  tree.set('T-S', true);
  tree.settle(watch);

  assert.deepEqual(tree.node('a').leadsTo(token('b')), ['R']);
  assert.deepEqual(tree.node('R').leadsTo(token('b')), ['T']);
  assert.deepEqual(tree.node('c').leadsTo(token('a')), ['S']);
  const after = [...tree.nodes.values()].map(({ name, machine }, index) =>
    name === 'T' ? 0 : machine.counters.accepted - (before[index] ?? 0),
  );
  assert.deepEqual(new Set(after), new Set([0]), 'only T had to be told');
});

test('a newcomer at the end of a line learns all, and all learn it', () => {
  const tree = new Tree('a-R', 'R-S', 'S-b');
  for (let change = 0; change < 9; change++) {
    tree.node('a').want(EPOCH, [routeOf(0), ownRoute('a'), ...routesFrom(1_000, 20 + change)]);
    tree.run(ROUTE_TIMING.batchMs);
  }
  const node = tree.node('c');
  node.want(EPOCH, [routeOf(0), ownRoute('c')]);
  node.partners(EPOCH, tree.node('b'));
  node.ports(EPOCH, tree.node('b'));
  tree.node('b').partners(EPOCH, tree.node('S'), node);
  tree.node('b').ports(EPOCH, tree.node('S'), node);
  tree.settle();

  assert.deepEqual(node.leadsTo(tokenOf(1_027)), ['b']);
  assert.equal(node.machine.announcers(segment.id).length, 2);
  assert.deepEqual(tree.node('a').leadsTo(token('c')), ['R']);
});

test('messages that a broken stream lost are made up for, on both sides of it', () => {
  const tree = new Tree('a-R', 'R-S', 'S-b');
  tree.node('a').want(EPOCH, [routeOf(0), ...routesFrom(2_000, 5)]);
  tree.node('b').want(EPOCH, [routeOf(0), ownRoute('b'), routeOf(3_000)]);
  tree.clock.nowMs += ROUTE_TIMING.batchMs;
  for (const node of tree.nodes.values()) {
    node.handle({ kind: 'tick' });
  }
  tree.settle((bytes) => {
    const message = decodeRouteMessage(bytes);
    return message?.kind !== 'announce' || message.hops === 0;
  });
  assert.deepEqual(tree.node('b').leadsTo(token('a')), ['S'], 'it was withdrawn, and the word was lost');
  tree.node('R').handle({ kind: 'again', peer: 'S' });
  tree.node('S').handle({ kind: 'again', peer: 'R' });
  tree.settle();

  assert.deepEqual(tree.node('S').leadsTo(token('a')), []);
  assert.deepEqual(tree.node('S').leadsTo(tokenOf(2_001)), ['R']);
  assert.deepEqual(tree.node('R').leadsTo(tokenOf(3_000)), ['S']);
});

test('an announcement that goes in circles ends', () => {
  const ring = new Tree('a-R', 'R-S', 'S-T', 'T-R');
  assert.ok(ring.messages < 60, `${ring.messages} messages`);
  assert.deepEqual(ring.node('S').leadsTo(token('a')), ['R', 'T']);
  ring.cut('a-R');
  assert.deepEqual(ring.node('S').leadsTo(token('a')), [], 'what circles is nobody’s');
});

test('what came over more nodes than a datagram passes is not taken', () => {
  const tree = new Tree('a-R', 'R-b');
  const say = (hops: number): void => {
    tree.node('R').hear('a', forge({}, { head: { pathMtuBytes: 1_472, hops } }));
    tree.settle();
  };
  say(ROUTE_LIMIT.hops);
  assert.equal(tree.node('R').machine.counters.tooFar, 1);
  say(ROUTE_LIMIT.hops - 1);
  assert.deepEqual(tree.node('R').leadsTo(tokenOf(9)), ['a']);
  assert.deepEqual(tree.node('b').leadsTo(tokenOf(9)), [], 'it is passed on no further');
});

test('a relay takes nothing of a segment that it does not carry, nor of one who is no partner', () => {
  const tree = new Tree('a-R', 'R-b');
  const other = epochOf(7).segment;
  const { machine } = tree.node('R');
  const { live } = machine;
  tree.node('R').hear('a', forge({ segmentKey: other.publicKey }, { seed: other.seed }));
  tree.node('R').hear('z', forge({}));
  assert.deepEqual([machine.live, machine.counters.foreignSegment], [live, 2]);
});

test('one who says that it leads to everybody draws only what it says to itself', () => {
  const tree = new Tree('a-R', 'R-b', 'R-Z', 'R-c');
  const path = (name: string): RoutePath => ({
    nonce: nonceOf(name),
    sequence: 2 ** 48 - 1,
    pathMtuBytes: 1_472,
    hops: 0,
  });
  tree.node('R').hear('Z', encodePaths(segment.id, ['a', 'b', 'c'].map(path), true));
  tree.settle();

  assert.deepEqual(tree.node('R').leadsTo(token('b')), ['Z', 'b'], 'who announces it stays on the way');
  assert.deepEqual(tree.node('b').leadsTo(token('a')), ['R']);
  tree.node('R').hear('Z', encodePaths(segment.id, [], true));
  tree.settle();
  assert.deepEqual(tree.node('R').leadsTo(token('b')), ['b']);
  const gone = { ...path('b'), pathMtuBytes: 0 };
  tree.node('R').hear('Z', encodePaths(segment.id, [gone], false));
  tree.settle();
  assert.deepEqual(tree.node('R').leadsTo(token('b')), ['b'], 'it speaks for itself only');
});

test('one who claims and takes back all the time is heard so often, and then the truth is asked for', () => {
  const tree = new Tree('a-R', 'R-b', 'R-Z');
  const before = tree.messages;
  const path = { nonce: nonceOf('a'), sequence: 1, hops: 1 };
  for (let turn = 0; turn < 20_000; turn++) {
    const pathMtuBytes = turn % 2 === 0 ? 0 : 1_232;
    tree.node('R').hear('Z', encodePaths(segment.id, [{ ...path, pathMtuBytes }], false));
  }
  tree.settle();
  const told = tree.messages - before;

  assert.ok(told <= 2 * ROUTE_LIMIT.claims.burst + 10, `${told} messages`);
  assert.ok(tree.node('R').machine.counters.overBudget >= 20_000 - ROUTE_LIMIT.claims.burst);
  tree.run(2_000);
  assert.deepEqual(tree.node('R').leadsTo(token('a')), ['a'], 'Z’s own list says otherwise');
});

test('what is foreign leaves room for what is our own', () => {
  const net = new Net();
  const relay = net.node('R');
  const mine = epochOf(2);
  relay.carry();
  relay.want(mine, [routeOf(0)]);
  const peers = Array.from({ length: 8 }, (_, index) => net.node(`p${index}`));
  relay.partners(EPOCH, ...peers);
  relay.partners(mine, ...peers);
  relay.ports(mine, ...peers);
  for (const [index, { name }] of peers.entries()) {
    for (let announcer = 0; announcer < 4; announcer++) {
      const first = (index * 4 + announcer) * 4_000;
      const nonce = new Uint8Array(16).fill(index * 4 + announcer);
      relay.hear(name, forge({ nonce, added: routesFrom(first, 4_000) }));
    }
  }
  assert.equal(relay.machine.live, Math.floor(ROUTE_LIMIT.foreignTokens / 4_000) * 4_000);
  const own = { segmentKey: mine.segment.publicKey, added: [routeOf(1)] };
  relay.hear('p7', forge(own, { seed: mine.segment.seed }));
  assert.deepEqual(relay.leadsTo(tokenOf(1, mine)), ['p7']);
});
