/** Behaviour of the doctor: from facts to findings, each with something to do, and its exit code. */
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { CommandIo } from './command-io.ts';
import { checkOffloads, checkSlices } from './dataplane-checks.ts';
import { checkFacts, checkPeerClocks, type Finding } from './doctor-checks.ts';
import type { MachineFacts } from './machine-facts.ts';
import { runCommandLine } from './program.ts';

const GOOD: MachineFacts = {
  platform: 'linux',
  architecture: 'x64',
  kernelRelease: '6.18.1-generic',
  nodeVersion: '26.10.0',
  tunDevice: 'ok',
  capabilities: 0x1ffffffffffn,
  receiveBufferMaxBytes: 212_992,
  sendBufferMaxBytes: 212_992,
  unixTimeMs: Date.UTC(2026, 10, 1),
  isClockSynchronised: true,
};

function finding(check: string, changes: Partial<MachineFacts>): Finding {
  const found = checkFacts({ ...GOOD, ...changes }).find((entry) => entry.check === check);
  assert.ok(found !== undefined);
  return found;
}

test('a good machine has nothing to do', () => {
  for (const { result, advice } of checkFacts(GOOD)) {
    assert.equal(result, 'ok');
    assert.equal(advice, '');
  }
});

test('what stops the daemon fails, what slows it warns', () => {
  const cases: readonly [check: string, changes: Partial<MachineFacts>, result: string, advice: RegExp][] = [
    ['kernel', { platform: 'darwin' }, 'fail', /Linux only/],
    ['kernel', { kernelRelease: '4.19.0' }, 'fail', /5\.0 or later/],
    ['kernel', { kernelRelease: '5.15.0' }, 'warn', /6\.2/],
    ['node', { nodeVersion: '20.1.0' }, 'fail', /Node 24\.7/],
    ['node', { nodeVersion: '24.6.0' }, 'fail', /Node 24\.7/],
    ['tun', { tunDevice: 'missing' }, 'fail', /modprobe tun/],
    ['tun', { tunDevice: 'denied' }, 'fail', /root/],
    ['capability', { capabilities: 0n }, 'fail', /CAP_NET_ADMIN/],
    ['capability', { capabilities: undefined }, 'fail', /root/],
    ['buffers', { capabilities: 0n }, 'warn', /sysctl -w net\.core\.rmem_max/],
    ['clock', { unixTimeMs: 0 }, 'fail', /set the clock/],
    ['clock', { isClockSynchronised: false }, 'warn', /NTP/],
  ];
  for (const [check, changes, result, advice] of cases) {
    const found = finding(check, changes);
    assert.equal(found.result, result, check);
    assert.match(found.advice, advice);
  }
});

test("a clock that is more than 30 s off the peers' warns, with or without a kernel that trusts it", () => {
  assert.equal(checkPeerClocks(null), undefined);
  assert.equal(checkPeerClocks(-30_000)?.result, 'ok');
  const late = checkPeerClocks(45_200);
  assert.deepEqual([late?.result, late?.found], ['warn', "45.2 s behind the peers'"]);
  assert.match(checkPeerClocks(-90_000)?.found ?? '', /90\.0 s ahead/);
});

test('offloads that fail cost speed only', () => {
  assert.equal(checkOffloads({ gsoSegments: 64, gro: true, reasons: [] }).result, 'ok');
  const off = checkOffloads({ gsoSegments: 1, gro: false, reasons: ['send: EIO'] });
  assert.equal(off.result, 'warn');
  assert.match(off.found, /GSO off, GRO off: send: EIO/);
});

test('short slices are welcome, and their lack is no failure', () => {
  assert.equal(checkSlices(true, 300).result, 'ok');
  const lacking = checkSlices(false, 300);
  assert.equal(lacking.result, 'warn');
  assert.match(lacking.advice, /6\.12/);
});

test('the command prints a finding a line, or JSON, and fails on a bad config', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'peertap-doctor-'));
  const out: string[] = [];
  const io: CommandIo = {
    out: (line) => out.push(line),
    err: (line) => out.push(line),
    read: () => Promise.resolve(''),
    outBytes: () => Promise.resolve(),
    isTerminal: false,
    onInterrupt: () => () => undefined,
    nowMs: () => 0,
    sleep: () => Promise.resolve(),
  };
  try {
    const config = join(directory, 'peertap.json');
    await writeFile(config, '{"log": {"level": 3}}');
    assert.equal(await runCommandLine(['doctor', '--config', config, '--json'], io), 1);
    const report = JSON.parse(out.join('\n')) as { ok: boolean; findings: Finding[] };
    assert.equal(report.ok, false);
    assert.match(
      report.findings.find((entry) => entry.check === 'config')?.found ?? '',
      /log\.level: expected/,
    );
    out.length = 0;
    await writeFile(config, JSON.stringify({ stateDirectory: directory, listen: { libp2p: [] } }));
    await runCommandLine(['doctor', '--config', config], io);
    for (const check of ['kernel', 'tun', 'engine', 'offloads', 'identity', 'daemon']) {
      assert.ok(
        out.some((line) => new RegExp(`^(ok|warn|fail) +${check} `).test(line)),
        check,
      );
    }
  } finally {
    await rm(directory, { recursive: true });
  }
});
