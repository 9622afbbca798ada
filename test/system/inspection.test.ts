/**
 * What a node shows of the way to another member, over a relay and a narrow link: ping, trace, topology and capture.
 *
 *   a ──ptap0 10.7.0.1 ┈┈(daemon ─ to_b ═══ to_a ─ relay b ─ to_c ═ MTU 1,400 ═ to_b ─ daemon)┈┈ 10.7.0.3 ptap0── c
 */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, it } from 'node:test';
import * as v from 'valibot';

import { findTool, runSync } from '../lab/command.ts';
import type { LabDaemon } from '../lab/daemon.ts';
import { FABRIC_TAP, FabricNet, relayedLine } from '../lab/fabric-net.ts';
import { describeOnce } from './matrix.ts';

const BOUND = { timeout: 60_000 };
const NARROW_MTU_BYTES = 1_400;
/** Headers of IPv4 and UDP. */
const PATH_MTU_BYTES = NARROW_MTU_BYTES - 28;
const PINGS = ['--count', '5', '--interval', '0.1', '--json'];
/** A section header block. @see draft-ietf-opsawg-pcapng section 4.1 */
const PCAPNG_MAGIC = '0a0d0d0a';
const CAPTURE_SECONDS = 2;

const pingOutcome = v.object({
  replies: v.array(v.object({ rttMs: v.nullable(v.number()) })),
  done: v.object({
    peer: v.string(),
    sent: v.number(),
    received: v.number(),
    pathMtuBytes: v.nullable(v.number()),
  }),
});

const traceOutcome = v.object({
  hops: v.array(
    v.object({
      hop: v.number(),
      peer: v.nullable(v.string()),
      next: v.nullable(
        v.object({ carrier: v.nullable(v.string()), datagramMtuBytes: v.nullable(v.number()) }),
      ),
    }),
  ),
  done: v.object({ peer: v.string(), outcome: v.string(), pathMtuBytes: v.nullable(v.number()) }),
});

const topologyOutcome = v.object({
  trunks: v.array(v.object({ peer: v.string(), cost: v.nullable(v.number()), roles: v.array(v.string()) })),
  segments: v.array(
    v.object({
      segment: v.string(),
      own: v.boolean(),
      root: v.nullable(v.string()),
      ports: v.array(
        v.object({ peer: v.string(), forwarding: v.boolean(), peersBehind: v.nullable(v.array(v.string())) }),
      ),
    }),
  ),
});

describeOnce('a node asked about the way to a member', (engine) => {
  let net: FabricNet;

  before(async () => {
    const links = {
      mtuBytesOf: ([, to]: readonly [number, number]) => (to === 2 ? NARROW_MTU_BYTES : 1_500),
    };
    net = new FabricNet({ ...relayedLine({ engine, workers: 1 }), links });
    await net.start();
    await net.waitForPing(0, 2);
  }, BOUND);

  after(async () => {
    await net.remove();
  });

  it('pings it by its PeerId and by its MAC', async () => {
    const mac = net.node(2).machine.namespace.macOf(FABRIC_TAP);
    for (const target of [net.node(2).peerId, mac]) {
      const { replies, done } = await asked(net.node(0), pingOutcome, 'ping', target, ...PINGS);
      assert.deepEqual([done.peer, done.sent, done.received], [net.node(2).peerId, 5, 5]);
      assert.ok(replies.every(({ rttMs }) => rttMs !== null && rttMs > 0 && rttMs < 1_000));
    }
  });

  it('finds how large a datagram may be', async () => {
    const { done } = await asked(net.node(0), pingOutcome, 'ping', net.node(2).peerId, '--mtu', '--json');
    assert.equal(done.pathMtuBytes, PATH_MTU_BYTES);
  });

  it('traces each hop on the way', async () => {
    const { hops, done } = await asked(net.node(0), traceOutcome, 'trace', net.node(2).peerId, '--json');
    assert.deepEqual([done.outcome, done.peer], ['reached', net.node(2).peerId]);
    assert.deepEqual(
      hops.map(({ hop, peer }) => [hop, peer]),
      net.nodes.map(({ peerId }, index) => [index, peerId]),
    );
    assert.deepEqual(
      hops.map(({ next }) => next?.carrier),
      ['udp', 'udp', undefined],
    );
    assert.equal(hops[1]?.next?.datagramMtuBytes, PATH_MTU_BYTES);
    assert.equal(done.pathMtuBytes, PATH_MTU_BYTES);
  });

  it('draws the tree: one root, and each member behind the relay’s port', async () => {
    const [a, b, c] = await Promise.all(
      net.nodes.map((node) => asked(node, topologyOutcome, 'topology', '--json')),
    );
    assert.ok(a !== undefined && b !== undefined && c !== undefined);
    const roots = [a, c].map(({ segments }) => segments[0]?.root);
    assert.equal(roots.filter((root) => root === 'self').length, 1, JSON.stringify(roots));
    for (const [own, other] of [
      [a, net.node(2)],
      [c, net.node(0)],
    ] as const) {
      // A trunk of their own through a libp2p relay is there too, and no way for frames while a better one is.
      const forwarding = own.segments[0]?.ports.filter((port) => port.forwarding);
      assert.deepEqual(forwarding, [
        { peer: net.node(1).peerId, forwarding: true, peersBehind: [other.peerId] },
      ]);
      const relays = own.trunks.filter(({ roles }) => roles.includes('relay'));
      assert.deepEqual(
        relays.map(({ peer }) => peer),
        [net.node(1).peerId],
      );
    }
    assert.deepEqual([b.segments[0]?.own, b.segments[0]?.segment], [false, a.segments[0]?.segment]);
    assert.deepEqual(
      b.segments[0]?.ports.map(({ forwarding, peersBehind }) => [forwarding, peersBehind]),
      [
        [true, null],
        [true, null],
      ],
    );
  });

  it('draws it for Graphviz', async () => {
    const text = await net.node(0).succeed('topology', '--dot');
    assert.match(text, /^(di|)graph [^{]*\{[\s\S]*--[\s\S]*\}$/);
    assert.ok(text.includes(net.node(1).peerId.slice(-6)), text);
  });

  it('captures what passes its interface, for tcpdump to read', BOUND, async (context) => {
    const file = join(net.node(0).directory, 'seen.pcapng');
    const limits = ['--seconds', String(CAPTURE_SECONDS), '--vlan', net.vlanId];
    const capturing = net.node(0).succeed('capture', '--write', file, ...limits);
    const { receivedCount, output } = await net.ping(0, 2, {
      count: CAPTURE_SECONDS * 10,
      intervalSeconds: 0.1,
    });
    assert.ok(receivedCount > 0, output);
    await capturing;
    assert.equal(readFileSync(file).subarray(0, 4).toString('hex'), PCAPNG_MAGIC);
    if (findTool('tcpdump') === undefined) {
      context.diagnostic('there is no tcpdump to read it with');
      return;
    }
    const read = runSync('tcpdump', ['-nr', file, 'icmp']).stdout;
    for (const way of ['10.7.0.1 > 10.7.0.3: ICMP echo request', '10.7.0.3 > 10.7.0.1: ICMP echo reply'])
      assert.ok(read.split('\n').filter((line) => line.includes(way)).length >= 3, read);
  });
});

async function asked<Schema extends v.GenericSchema>(
  node: LabDaemon,
  schema: Schema,
  ...args: string[]
): Promise<v.InferOutput<Schema>> {
  return v.parse(schema, JSON.parse(await node.succeed(...args)));
}
