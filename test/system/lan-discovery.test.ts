/**
 * Finding each other on a LAN by multicast DNS, with nothing configured.
 *
 *   a ──eth0 10.99.0.1 ══════ 10.99.0.2 eth0── b      both: a node that looks for members of its VLAN
 *
 * b's end of the wire is down at first, and so a's has no carrier: both start, say that there is no network, and wait.
 */

import assert from 'node:assert/strict';
import { it } from 'node:test';
import * as v from 'valibot';

import { collect } from '../lab/command.ts';
import { waitFor } from '../lab/deadline.ts';
import type { Namespace } from '../lab/namespace.ts';
import { probePath } from '../lab/paths.ts';
import { makePair } from '../lab/topology.ts';
import { describeOnce } from './matrix.ts';

const PORT = 7946;
const VLAN = '00112233445566778899aabbccddeeff';
const FOUND_TIMEOUT_MS = 30_000;

const report = v.object({
  self: v.string(),
  peers: v.array(v.object({ peer: v.string(), addresses: v.array(v.string()) })),
  sources: v.array(v.array(v.string())),
});

describeOnce('a LAN without configuration', () => {
  it('lets nodes find each other once the network of both is there', async () => {
    const pair = makePair('gso');
    const children: { kill: (signal: 'SIGKILL') => boolean }[] = [];
    try {
      for (const { namespace } of [pair.a, pair.b]) multicastOver(namespace);
      pair.b.namespace.ip('link', 'set', 'eth0', 'down');
      const [a, b] = [startNode(pair.a.namespace), startNode(pair.b.namespace)];
      children.push(a.child, b.child);
      await a.said('no-network');
      await b.said('no-network');
      pair.b.namespace.ip('link', 'set', 'eth0', 'up');
      multicastOver(pair.b.namespace);

      const [ofA, ofB] = [await a.report(), await b.report()];

      assert.deepEqual(ofA.peers, [{ peer: ofB.self, addresses: [`/ip4/${pair.b.address}/tcp/${PORT}`] }]);
      assert.deepEqual(ofB.peers, [{ peer: ofA.self, addresses: [`/ip4/${pair.a.address}/tcp/${PORT}`] }]);
      assert.deepEqual([ofA.sources, ofB.sources], [[['mdns']], [['mdns']]]);
      for (const node of [a, b]) {
        assert.deepEqual(node.lines().slice(0, 3), ['ready', 'no-network', 'network-back']);
      }
    } finally {
      for (const child of children) child.kill('SIGKILL');
      pair.remove();
    }
  });

  it('says so when multicast has no route', async () => {
    const pair = makePair('gso');
    const a = startNode(pair.a.namespace);
    try {
      await a.said('no-multicast-route');
    } finally {
      a.child.kill('SIGKILL');
      pair.remove();
    }
  });
});

/** As on a machine with a default route, which these do not have. */
function multicastOver(namespace: Namespace): void {
  namespace.ip('route', 'replace', '224.0.0.0/4', 'dev', 'eth0');
}

function startNode(namespace: Namespace) {
  const child = namespace.start(process.execPath, [
    probePath('lan-peer'),
    JSON.stringify({ vlan: VLAN, port: PORT }),
  ]);
  const output = collect(child, 'stdout');
  const complaints = collect(child, 'stderr');
  const lines = (): string[] => output().trimEnd().split('\n');
  const options = { timeoutMs: FOUND_TIMEOUT_MS, explain: () => complaints() + output() };
  const said = (line: string): Promise<string> =>
    waitFor(`the line ${line}`, () => lines().find((found) => found.startsWith(line)), options);
  return {
    child,
    lines,
    said,
    report: async () => v.parse(report, JSON.parse(await said('{'))),
  };
}
