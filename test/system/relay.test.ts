/**
 * A relay between two members that do not reach each other: it carries what they say, knows nothing of it, and does so for
 * nobody whom its policy does not name.
 *
 *   a ──ptap0 10.7.0.1 ┈┈(daemon ─ to_b ═══ to_a ─ daemon ─ to_c ═══ to_b ─ daemon)┈┈ 10.7.0.3 ptap0── c
 *                                             the relay b, on no VLAN
 */

import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, it, type TestContext } from 'node:test';
import * as v from 'valibot';

import { parseVlanId } from '../../control/vlan/vlan-id.ts';
import { FABRIC_TAP, FabricNet, RELAY_FOR_ALL, relayedLine, withFabric } from '../lab/fabric-net.ts';
import { IperfServer, runTcp } from '../lab/iperf.ts';
import { type Edge, line } from '../lab/links.ts';
import { ping } from '../lab/ping.ts';
import { transfer } from '../lab/probes.ts';
import { describeEngines, describeOnce } from './matrix.ts';

const BOUND = { timeout: 60_000 };
/** Longer than a relayed pair needs to meet. */
const REFUSED_MS = 3_000;
const MEBIBYTE = 2 ** 20;
const PINGS = { count: 20, intervalSeconds: 0.02 };

const relayStatus = v.object({
  segments: v.array(
    v.object({ segment: v.string(), tokens: v.number(), datagrams: v.number(), bytes: v.number() }),
  ),
  refusals: v.record(v.string(), v.number()),
});

describeEngines('two members with a relay between them', (engine) => {
  let net: FabricNet;

  before(async () => {
    net = new FabricNet(relayedLine({ engine, workers: 1, logLevel: 'debug' }));
    await net.start();
  }, BOUND);

  after(async () => {
    await net.remove();
  });

  it('meet', BOUND, async (context) => {
    context.diagnostic(`first ping ${Math.round(await net.waitForPing(0, 2))} ms after the trunks`);
  });

  it('ping each other, at full size without fragments too', async () => {
    await assertAllAnswered(net.addressOf(net.node(2)), {});
    await assertAllAnswered(net.addressOf(net.node(2)), { payloadBytes: 1472, dontFragment: true });
  });

  it('find each other by ARP and by IPv6 neighbour discovery', async () => {
    const { namespace } = net.node(0).machine;
    namespace.ip('neigh', 'flush', 'dev', FABRIC_TAP);
    await assertAllAnswered(net.addressOf(net.node(2)), {});
    await assertAllAnswered(net.address6Of(net.node(2)), { payloadBytes: 1452 });
    const neighbours = namespace.ip('neigh', 'show', 'dev', FABRIC_TAP);
    const mac = net.node(2).machine.namespace.macOf(FABRIC_TAP);
    for (const address of [net.addressOf(net.node(2)), net.address6Of(net.node(2))])
      assert.match(neighbours, new RegExp(`^${address} .*lladdr ${mac}`, 'm'));
  });

  for (const reverse of [false, true]) {
    it(`send a stream by iperf3 ${reverse ? 'from c to a' : 'from a to c'}`, async (context) => {
      const [from, to] = [net.node(0), net.node(2)];
      const server = await IperfServer.start(to.machine.namespace);
      try {
        const { bitsPerSecond } = await runTcp(from.machine.namespace, net.addressOf(to), {
          seconds: 1,
          reverse,
        });
        context.diagnostic(`${(bitsPerSecond / 1e9).toFixed(2)} Gbit/s`);
        assert.ok(bitsPerSecond > 50e6, `${(bitsPerSecond / 1e6).toFixed(1)} Mbit/s`);
      } finally {
        await server.stop();
      }
    });
  }

  it('are a segment, tokens and rates to the relay, never a VLAN or a MAC', async (context) => {
    const shown = await Promise.all([
      net.node(1).succeed('relay', 'status'),
      net.node(1).succeed('relay', 'status', '--json'),
      net.node(1).succeed('status', '--json'),
      net.node(1).succeed('peers', '--json'),
    ]);
    context.diagnostic(`relay status:\n${shown[0]}`);
    const status = readRelayStatus(shown[1]);
    const carried = status.segments.filter(({ datagrams, tokens }) => datagrams > 0 && tokens > 0);
    assert.equal(carried.length, 1, shown[1]);
    assert.match(carried[0]?.segment ?? '', /^[0-9a-f]{32}$/);
    assert.ok((carried[0]?.bytes ?? 0) > MEBIBYTE, shown[1]);
    const known = [...shown.map((text) => Buffer.from(text)), ...filesOf(net.node(1).directory)];
    const secrets = secretsOf(net);
    for (const [name, bytes] of secrets)
      assert.ok(!known.some((text) => text.includes(bytes)), `the relay knows ${name}`);
    // The same search finds all of them at a member: it can fail.
    const member = [
      Buffer.from(await net.node(0).succeed('status', '--json')),
      ...filesOf(net.node(0).directory),
    ];
    assert.ok(member.some((text) => text.includes(net.vlanId)));
  });

  async function assertAllAnswered(to: string, more: object): Promise<void> {
    const { receivedCount, duplicateCount, output } = await ping(net.node(0).machine.namespace, to, {
      ...PINGS,
      ...more,
    });
    assert.equal(receivedCount, PINGS.count, output);
    assert.equal(duplicateCount, 0, output);
  }
});

describeEngines('a relay between a wide link and a narrow one', (engine) => {
  it('passes full frames and streams', BOUND, async (context) => {
    const links = { mtuBytesOf: ([, to]: Edge) => (to === 1 ? 9_000 : 1_280) };
    await withFabric({ ...relayedLine({ engine, workers: 1 }), links }, async (net) => {
      await net.waitForPing(0, 2);
      const full = { ...PINGS, payloadBytes: 1472, dontFragment: true };
      const { receivedCount, output } = await net.ping(0, 2, full);
      assert.equal(receivedCount, PINGS.count, output);
      await assertWhole(net, 2, context);
    });
  });
});

describeOnce('relays that are no members', (engine) => {
  it('pass on to each other, three in a row', BOUND, async (context) => {
    const relays = { 1: RELAY_FOR_ALL, 2: RELAY_FOR_ALL, 3: RELAY_FOR_ALL };
    const daemon = { engine, workers: 1 };
    await withFabric({ count: 5, edges: line(5), members: [0, 4], relays, daemon }, async (net) => {
      context.diagnostic(`first ping ${Math.round(await net.waitForPing(0, 4))} ms after the trunks`);
      await assertWhole(net, 4, context);
    });
  });

  it('are soft: one that was killed carries again when it is back', BOUND, async (context) => {
    await withFabric(relayedLine({ engine, workers: 1 }), async (net) => {
      await net.waitForPing(0, 2);
      await net.node(1).stop('SIGKILL');
      assert.equal((await net.ping(0, 2, { count: 1, waitSeconds: 0.5 })).receivedCount, 0);
      net.node(1).spawn();
      context.diagnostic(`first ping ${Math.round(await net.waitForPing(0, 2))} ms after its start`);
      await assertWhole(net, 2, context);
    });
  });
});

describeOnce('a node between two members', (engine) => {
  it('carries nothing unless it is told to relay', BOUND, async (context) => {
    const options = { ...relayedLine({ engine, workers: 1 }), relays: {} };
    await withFabric(options, async (net) => {
      await assertNothingPasses(net, context);
    });
  });

  it('carries nothing for whom a rule denies, and counts it', BOUND, async (context) => {
    const options = relayedLine({ engine, workers: 1 });
    const net = new FabricNet(options);
    try {
      const peers = [0, 2].map((index) => net.node(index).peerId);
      net.node(1).writeConfig({ relay: { ...RELAY_FOR_ALL, deny: peers } });
      await net.start();
      await assertNothingPasses(net, context);
      const text = await net.node(1).succeed('relay', 'status', '--json');
      const { segments, refusals } = readRelayStatus(text);
      context.diagnostic(JSON.stringify(refusals));
      assert.deepEqual(segments, []);
      assert.ok(
        Object.values(refusals).some((count) => count > 0),
        text,
      );
    } finally {
      await net.remove();
    }
  });

  async function assertNothingPasses(net: FabricNet, context: TestContext): Promise<void> {
    const startMs = performance.now();
    const { receivedCount } = await net.ping(0, 2, { count: REFUSED_MS / 200 });
    assert.equal(receivedCount, 0);
    context.diagnostic(`nothing for ${Math.round(performance.now() - startMs)} ms`);
  }
});

async function assertWhole(net: FabricNet, toNumber: number, context: TestContext): Promise<void> {
  const [from, to] = [net.node(0), net.node(toNumber)];
  const ends = { from: from.machine.namespace, to: to.machine.namespace, address: net.addressOf(to) };
  const result = await transfer(ends, { bytes: 16 * MEBIBYTE, checksum: true, timeoutMs: 30_000 });
  context.diagnostic(`${(result.bitsPerSecond / 1e6).toFixed(0)} Mbit/s`);
  assert.equal(result.receivedSha256, result.sentSha256);
}

function readRelayStatus(text: string): v.InferOutput<typeof relayStatus> {
  return v.parse(relayStatus, JSON.parse(text));
}

/** What a relay must not know of its members, as texts and as bytes. */
function secretsOf(net: FabricNet): [name: string, bytes: Buffer][] {
  const parsed = parseVlanId(net.vlanId);
  assert.ok(parsed.ok);
  const id = Buffer.from(parsed.id);
  const macs = net.members.map((node) => node.machine.namespace.macOf(FABRIC_TAP));
  return [
    ['the VLAN id', Buffer.from(net.vlanId)],
    ['the VLAN id as bytes', id],
    ['the VLAN id in hexadecimal', Buffer.from(id.toString('hex'))],
    ...macs.flatMap((mac): [string, Buffer][] => [
      [`the MAC ${mac}`, Buffer.from(mac)],
      [`the MAC ${mac} without colons`, Buffer.from(mac.replaceAll(':', ''))],
      [`the MAC ${mac} as bytes`, Buffer.from(mac.replaceAll(':', ''), 'hex')],
    ]),
  ];
}

/** Everything that a daemon has written: config, log and state. */
function filesOf(directory: string): Buffer[] {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => readFileSync(join(entry.parentPath, entry.name)));
}
