/**
 * A private VLAN in which nobody talks: what two nodes send to keep it.
 *
 *   a ──ptap0 10.7.0.1 ┈┈(daemon ─ eth0 ══[ lan ]══ eth0 ─ daemon)┈┈ 10.7.0.2 ptap0── b
 */

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import type { LabDaemon } from '../lab/daemon.ts';
import { withMemberNet } from '../lab/member-net.ts';
import { describeOnce } from './matrix.ts';

const PAIRS_TIMEOUT_MS = 40_000;
/** The promise is a minute of a pair that has come to rest: `PEERTAP_LONG=1` waits for that. */
const IS_LONG = process.env['PEERTAP_LONG'] === '1';
/** The minute before it holds the last of what a start brings (look-ups, solicitations), a quarter more at most. */
const IDLE_LIMIT_BYTES_PER_SECOND = IS_LONG ? 200 : 250;
const IDLE_SECONDS = 60;
/** First announcements and path probes of a new trunk are over then; the longer wait is past a renewal of its keys. */
const SETTLING_SECONDS = IS_LONG ? 140 : 25;

describeOnce('an idle pair', (engine) => {
  it(`sends less than ${IDLE_LIMIT_BYTES_PER_SECOND} bytes a second, both together`, {
    timeout: 300_000,
  }, async (context) => {
    await withMemberNet(2, { engine, workers: 1 }, async (net) => {
      await net.start();
      await net.admit(net.node(1));
      await net.waitForAllPairs(net.nodes, PAIRS_TIMEOUT_MS);
      await sleep(SETTLING_SECONDS * 1000);
      const before = sentBy(net.nodes);
      await sleep(IDLE_SECONDS * 1000);
      const bytesPerSecond = (sentBy(net.nodes) - before) / IDLE_SECONDS;
      context.diagnostic(`${bytesPerSecond.toFixed(1)} bytes/s over ${IDLE_SECONDS} s`);
      assert.ok(bytesPerSecond < IDLE_LIMIT_BYTES_PER_SECOND, `${bytesPerSecond} bytes/s`);
      assert.ok(await net.reaches(net.node(0), net.node(1), 2));
    });
  });
});

/** Bytes that left the nodes' wires so far, Ethernet headers included. @see proc_pid_net(5), dev */
function sentBy(nodes: readonly LabDaemon[]): number {
  return nodes
    .map((node) => {
      const text = readFileSync(`/proc/${node.processId}/net/dev`, 'utf8');
      const fields = /^\s*eth0:\s*(.*)$/m.exec(text)?.[1]?.split(/\s+/) ?? [];
      return Number(fields[8]);
    })
    .reduce((sum, bytes) => sum + bytes, 0);
}
