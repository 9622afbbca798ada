/** Behaviour of `ping` and `trace`: what they print, and that they never guess who is meant. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ControlError, type MemberReport } from '../admin/daemon-control.ts';
import {
  type ListDaemon,
  OTHER_PEER,
  OWN_PEER,
  THIRD_PEER,
  VLAN_ID,
  vlanReport,
} from '../admin/daemon-control-fixture.ts';
import type { TraceHop } from '../admin/inspection.ts';
import { withDaemon } from './command-fixture.ts';

const OTHER_VLAN_ID = `${'a'.repeat(25)}e`;
const FAR_PEER = '12D3KooWEyoppNCUx8Yx66oV9fJnriXwCcXwDDUA2kj6vnc6iDEp';
const MAC = '02:00:00:00:00:01';

function member(changes: Partial<MemberReport>): MemberReport {
  const nothing = { role: 'member', trunk: true, lastHeardSeconds: 1, epoch: null } as const;
  return { ...nothing, peer: FAR_PEER, state: 'live', stations: [MAC], ...changes };
}

function inVlan(daemon: ListDaemon, ...members: readonly MemberReport[]): void {
  daemon.vlanList = [vlanReport({ name: 'home', interface: 'ptap0' })];
  daemon.memberList = [member({ peer: OWN_PEER, state: 'self', stations: [] }), ...members];
}

function reply(sequence: number, rttMs: number | null, unsent = false) {
  return { sequence, sizeBytes: 128, rttMs, unsent };
}

test('a ping is a line for each answer and one for all', async () => {
  await withDaemon(async ({ run, daemon, inspection }) => {
    inVlan(daemon, member({}));
    inspection.replies = [reply(1, 0.424), reply(2, null), reply(3, null, true)];
    const result = await run('ping', 'Eyop', '--count', '3', '--interval', '0.5', '--timeout', '2');
    assert.equal(result.code, 0, result.err);
    assert.equal(
      result.out,
      [
        `ping ${FAR_PEER} in home: datagrams of 128 bytes`,
        `128 bytes from ${FAR_PEER}: 1, 0.42 ms`,
        '2: no answer',
        '3: not sent, there is no way to it now',
        '3 sent, 1 answered, 66.7 % lost; least, mean, most: 1.00 / 2.00 / 3.00 ms',
      ].join('\n'),
    );
    assert.deepEqual(inspection.asked, [
      {
        vlan: VLAN_ID,
        target: FAR_PEER,
        count: 3,
        intervalMs: 500,
        timeoutMs: 2000,
        sizeBytes: 128,
        findMtu: false,
      },
    ]);
    const json = JSON.parse((await run('ping', MAC.slice(0, 8), '--json')).out) as {
      replies: unknown;
      done: unknown;
    };
    assert.deepEqual(json.replies, inspection.replies);
    assert.equal((inspection.asked[1] as { target: string }).target, MAC);
  });
});

test('a ping without an answer ends with 1', async () => {
  await withDaemon(async ({ run, daemon, inspection }) => {
    inVlan(daemon, member({}));
    inspection.replies = [reply(1, null)];
    const { code, out } = await run('ping', FAR_PEER);
    assert.equal(code, 1);
    assert.match(out, /^1 sent, 0 answered, 100 % lost$/m);
    inspection.failure = new ControlError('stopping', 'The daemon stops.');
    assert.deepEqual((await run('ping', FAR_PEER)).err, 'peertap: The daemon stops.');
  });
});

test('a ping for the size of a path says what fits into it', async () => {
  await withDaemon(async ({ run, daemon, inspection }) => {
    inVlan(daemon, member({}));
    inspection.replies = [reply(1, 1)];
    inspection.pingDone = { pathMtuBytes: 1472 };
    const { out } = await run('ping', FAR_PEER, '--mtu');
    assert.match(out, /^path MTU 1472 bytes: frames of 1408 bytes, packets of 1394, go in one piece$/m);
    assert.ok(!out.includes('128 bytes from'));
  });
});

test('Ctrl-C ends a ping with what was seen, and the daemon with it', async () => {
  await withDaemon(async ({ runIn, daemon, inspection }) => {
    inVlan(daemon, member({}));
    inspection.replies = [reply(1, 2), reply(2, 4)];
    inspection.endless = true;
    const onWatch = (interrupt: () => void): void => {
      const ask = inspection.ping.bind(inspection);
      inspection.ping = (request, onReply, signal) => {
        setTimeout(interrupt, 20);
        return ask(request, onReply, signal);
      };
    };
    const { code, out } = await runIn({ onWatch }, 'ping', FAR_PEER, '--count', '0');
    assert.equal(code, 0);
    assert.match(out, /^2 sent, 2 answered, 0 % lost; least, mean, most: 2\.00 \/ 3\.00 \/ 4\.00 ms$/m);
    while (inspection.stopped === 0) await new Promise(setImmediate);
  });
});

test('who is meant is never guessed, and what to do is said', async () => {
  await withDaemon(async ({ run, daemon, inspection }) => {
    const fails = async (message: RegExp, ...args: string[]): Promise<void> => {
      const { code, err, out } = await run(...args);
      assert.deepEqual([code, out], [1, ''], args.join(' '));
      assert.match(err, message);
    };
    await fails(/has an interface in no VLAN; `peertap vlan list`/, 'ping', FAR_PEER);
    inVlan(daemon, member({}), member({ peer: OTHER_PEER, stations: ['02:00:00:00:00:02'] }));
    await fails(/no peer begins with 'zzzz'; `peertap vlan members ID --long`/, 'ping', 'zzzz');
    await fails(/is in no VLAN of this node/, 'ping', THIRD_PEER);
    await fails(/is this node itself/, 'trace', OWN_PEER);
    await fails(/may be any of these.*\n {2}02:00:00:00:00:01\n {2}02:00:00:00:00:02/, 'ping', '02-00');
    await fails(/no station here begins with 02:ff/, 'trace', '02:FF');
    await fails(/no VLAN here goes by 'hom'.*Did you mean home\?/, 'ping', 'Eyop', '--vlan', 'hom');
    await fails(/this node is not in aaaa/, 'ping', 'Eyop', '--vlan', OTHER_VLAN_ID);
    inVlan(daemon, member({ stations: [] }));
    await fails(/is in home, but has no interface there/, 'ping', 'Eyop');
    inVlan(daemon, member({ state: 'absent' }));
    await fails(/is in home, but was not heard lately; `peertap peers`/, 'trace', 'Eyop');
    daemon.vlanList = [vlanReport({ name: 'home' })];
    await fails(
      /no interface in home: it is no-interface; `peertap vlan join/,
      'ping',
      'Eyop',
      '--vlan',
      'home',
    );
    daemon.vlanList = [
      vlanReport({ interface: 'ptap0' }),
      vlanReport({ id: OTHER_VLAN_ID, interface: 'ptap1' }),
    ];
    daemon.memberList = [member({})];
    await fails(/in more than one VLAN; name one:\n {2}--vlan aaaaaaaa {2}ptap0\n/, 'ping', 'Eyop');
    assert.equal(inspection.asked.length, 0);
    assert.equal((await run('ping', 'Eyop', '--vlan', 'ptap1')).code, 1);
    assert.equal((inspection.asked[0] as { vlan: string }).vlan, OTHER_VLAN_ID);
  });
});

const HOPS: readonly TraceHop[] = [
  { hop: 0, peer: OWN_PEER, elapsedMs: null, next: { carrier: 'udp', rttMs: 0.42, datagramMtuBytes: 1472 } },
  { hop: 1, peer: null, elapsedMs: 0.61, next: { carrier: 'circuit', rttMs: null, datagramMtuBytes: 1280 } },
  { hop: 2, peer: FAR_PEER, elapsedMs: 12.3456, next: null },
];

test('a trace is a line for each hop, and says how it ended', async () => {
  await withDaemon(async ({ run, daemon, inspection }) => {
    inVlan(daemon, member({}));
    inspection.hops = [...HOPS];
    inspection.traceDone = { pathMtuBytes: 1280 };
    const { code, out } = await run('trace', MAC);
    assert.equal(code, 0);
    const [head, columns, here, hidden, far, last] = out.split('\n');
    assert.equal(head, `trace to ${MAC} of ${FAR_PEER} in home`);
    assert.match(columns ?? '', /^HOP +NODE +TIME +CARRIER +ROUND TRIP +DATAGRAM$/);
    assert.match(here ?? '', new RegExp(`^0 +${OWN_PEER} +- +udp +0\\.42 ms +1472 B$`));
    assert.match(hidden ?? '', /^1 +\(hidden\) +0\.61 ms +circuit +- +1280 B$/);
    assert.match(far ?? '', new RegExp(`^2 +${FAR_PEER} +12\\.35 ms +- +- +-$`));
    assert.equal(last, 'reached after 2 hops; path MTU 1280 bytes');
    const json = JSON.parse((await run('trace', MAC, '--json')).out) as {
      hops: unknown;
      done: { outcome: string };
    };
    assert.deepEqual([json.hops, json.done.outcome], [HOPS, 'reached']);
  });
});

test('a trace that does not reach ends with 1 and says where it ended', async () => {
  await withDaemon(async ({ run, daemon, inspection }) => {
    inVlan(daemon, member({}));
    inspection.hops = HOPS.slice(0, 2);
    const ends = [
      ['silent', /^hop 1 passed it on, and the next one does not answer/m],
      ['no-route', /^hop 1 knows no way to it$/m],
      ['hop-limit', /^not reached within 1 hops/m],
    ] as const;
    for (const [outcome, message] of ends) {
      inspection.traceDone = { outcome };
      const { code, out } = await run('trace', 'Eyop');
      assert.equal(code, 1);
      assert.match(out, message);
    }
    inspection.hops = HOPS.slice(0, 1);
    inspection.traceDone = { outcome: 'no-route' };
    assert.match((await run('trace', 'Eyop')).out, /no way to it from here; `peertap topology`/);
  });
});
