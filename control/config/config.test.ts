/** Behaviour of the config: defaults, ranges by path, near names, and places in the text. */
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { formatInvite } from '../vlan/invite.ts';
import { parseConfig, workerCount } from './config.ts';
import { ConfigError, type ConfigErrorCode } from './config-error.ts';
import { loadConfig, parseConfigText } from './load-config.ts';

const ID = 'a'.repeat(26);
const OTHER_ID = `${'a'.repeat(25)}e`;

function refusal(act: () => unknown): ConfigError {
  try {
    act();
  } catch (error) {
    assert.ok(error instanceof ConfigError, String(error));
    return error;
  }
  assert.fail('the config was accepted');
}

function assertRefused(document: unknown, message: string): void {
  const { message: actual } = refusal(() => parseConfig(document));
  assert.equal(actual, message);
}

test('an empty document is a whole config', () => {
  assert.deepEqual(parseConfig({}), {
    stateDirectory: '/var/lib/peertap',
    controlSocket: '/run/peertap/peertap.sock',
    listen: { libp2p: ['/ip4/0.0.0.0/tcp/7946'], datagram: { address: '0.0.0.0', port: 7947 } },
    bootstrap: [],
    connectionLimit: 256,
    discovery: { mdns: true, dht: true },
    heartbeatIntervalMs: 60_000,
    dataplane: {
      engine: 'auto',
      workers: 'auto',
      offloads: { tapTso: true, tapUso: true, udpGso: true, udpGro: true },
    },
    relay: {
      enabled: false,
      allow: [],
      deny: [],
      perPeer: { datagramsPerSecond: 'unlimited', bytesPerSecond: 'unlimited', segments: 256 },
      total: { datagramsPerSecond: 'unlimited', bytesPerSecond: 'unlimited', segments: 1_024 },
      trace: true,
    },
    log: { level: 'info', format: 'auto' },
    vlans: [],
  });
});

test('a VLAN needs its id and interface and gets the rest', () => {
  const config = parseConfig({ vlans: [{ id: ID, interface: 'ptap0' }] });
  const defaults = {
    addresses: [],
    mtuBytes: 1500,
    multicast: 'snoop',
    paths: 'failover',
    treeRank: 128,
    private: false,
  };
  assert.deepEqual(config.vlans, [{ id: ID, interface: 'ptap0', ...defaults }]);
  const error = refusal(() => parseConfig({ vlans: [{}] }));
  assert.equal(error.message, 'vlans[0].id: is missing\nvlans[0].interface: is missing');
});

test('a private VLAN may stand in a config, with the invite that leads to it', () => {
  const publicKey = new Uint8Array(32).fill(7);
  const invite = formatInvite({ kind: 'private', publicKey, name: 'lab', admins: [] });
  const vlan = { interface: 'ptap0', private: true };
  const [plain] = parseConfig({ vlans: [{ ...vlan, id: ID }] }).vlans;
  assert.equal(plain?.private, true);
  assert.ok(!Object.hasOwn(plain, 'invite'));
  const [invited] = parseConfig({ vlans: [{ ...vlan, invite }] }).vlans;
  assert.equal(invited?.invite, invite);
  assert.match(invited.id, /^[a-z2-7]{26}$/);
  assert.equal(parseConfig({ vlans: [{ ...vlan, invite, id: invited.id }] }).vlans[0]?.id, invited.id);
  assertRefused(
    { vlans: [{ ...vlan, invite, id: ID }] },
    `vlans[0].invite: leads to another VLAN than the id, ${invited.id}`,
  );
  const open = formatInvite({ kind: 'open', publicKey, name: 'lab', admins: [] });
  assertRefused(
    { vlans: [{ ...vlan, invite: open }] },
    'vlans[0].private: is true, but the invite leads to an open VLAN',
  );
  const cut = refusal(() => parseConfig({ vlans: [{ ...vlan, id: ID, invite: invite.slice(0, -3) }] }));
  assert.match(cut.message, /^vlans\[0\]\.invite: the invite was cut: /);
  assertRefused(
    { vlans: [{ ...vlan, id: ID, private: 'yes' }] },
    "vlans[0].private: expected true or false, got 'yes'",
  );
});

test('a value outside its range is answered with path, range and value', () => {
  const vlan = { id: ID, interface: 'ptap0' };
  assertRefused({ vlans: [{ ...vlan, mtuBytes: 40 }] }, 'vlans[0].mtuBytes: expected 576..9000, got 40');
  assertRefused({ vlans: [{ ...vlan, treeRank: 256 }] }, 'vlans[0].treeRank: expected 0..255, got 256');
  assertRefused(
    { vlans: [{ ...vlan, paths: 'both' }] },
    "vlans[0].paths: expected one of failover, redundant, got 'both'",
  );
  assertRefused(
    { vlans: [{ ...vlan, multicast: 'off' }] },
    "vlans[0].multicast: expected one of snoop, flood, got 'off'",
  );
  assertRefused({ dataplane: { workers: 17 } }, 'dataplane.workers: expected auto or 1..16, got 17');
  assertRefused({ dataplane: { workers: 1.5 } }, 'dataplane.workers: expected auto or 1..16, got 1.5');
  assertRefused({ heartbeatIntervalMs: 10 }, 'heartbeatIntervalMs: expected 1000..3600000, got 10');
  assertRefused({ discovery: { mdns: 1 } }, 'discovery.mdns: expected true or false, got 1');
  assertRefused({ connectionLimit: 0 }, 'connectionLimit: expected 1..1024, got 0');
  assertRefused(
    { listen: { datagram: { port: 70000 } } },
    'listen.datagram.port: expected 1..65535, got 70000',
  );
  assertRefused(
    { dataplane: { engine: 'rust' } },
    "dataplane.engine: expected one of auto, native, typescript, got 'rust'",
  );
});

test('a wrong type is answered with path, expectation and value', () => {
  assertRefused([], 'expected an object, got a list');
  assertRefused(null, 'expected an object, got null');
  assertRefused({ log: [] }, 'log: expected an object, got a list');
  assertRefused({ vlans: { id: ID } }, 'vlans: expected a list, got an object');
  assertRefused({ stateDirectory: 4 }, 'stateDirectory: expected a path, got 4');
  assertRefused({ stateDirectory: 'x' }, "stateDirectory: expected an absolute path, got 'x'");
  assertRefused(
    { dataplane: { offloads: { udpGso: 'no' } } },
    "dataplane.offloads.udpGso: expected true or false, got 'no'",
  );
});

test('an unknown key is an error with the nearest known name', () => {
  assertRefused({ bootstraps: [] }, 'bootstraps: unknown key; did you mean bootstrap?');
  assertRefused({ log: { lvl: 'info' } }, 'log.lvl: unknown key; did you mean level?');
  assertRefused({ log: { colour: 1 } }, 'log.colour: unknown key; known here are level, format');
});

test('every problem of a file is listed at once', () => {
  const error = refusal(() => parseConfig({ connectionLimit: -1, log: { level: 'loud' }, vlans: 3 }));
  assert.deepEqual(
    error.problems.map((problem) => problem.path),
    ['connectionLimit', 'log.level', 'vlans'],
  );
});

test('addresses are checked to the last part', () => {
  const withAddress = (address: string) => ({
    vlans: [{ id: ID, interface: 'ptap0', addresses: [address] }],
  });
  const path = 'vlans[0].addresses[0]';
  assertRefused(
    withAddress('10.7.0.300/24'),
    `${path}: expected an IPv4 or IPv6 address before the slash, got '10.7.0.300/24'`,
  );
  assertRefused(withAddress('10.7.0.1/33'), `${path}: expected a prefix length of 1..32, got '10.7.0.1/33'`);
  assertRefused(
    withAddress('10.7.0.1'),
    `${path}: expected a prefix length after a slash, as in 10.7.0.1/24, got '10.7.0.1'`,
  );
  assertRefused(
    withAddress('224.0.0.1/24'),
    `${path}: expected a unicast address, below 224.0.0.0, got '224.0.0.1/24'`,
  );
  assert.equal(parseConfig(withAddress('fd00::1/64')).vlans[0]?.addresses[0], 'fd00::1/64');
});

test('a malformed VLAN id is refused with its reason', () => {
  const withId = (id: string) => ({ vlans: [{ id, interface: 'ptap0' }] });
  assertRefused(withId('abc'), 'vlans[0].id: a VLAN id has 26 characters, got 3');
  assert.match(refusal(() => parseConfig(withId(`${ID.slice(1)}b`))).message, /spare bits/);
});

test('an interface name is one that the kernel takes as it is', () => {
  for (const name of ['', 'tap%d', 'a/b', 'a b', 'x'.repeat(16), '..', 'all']) {
    const error = refusal(() => parseConfig({ vlans: [{ id: ID, interface: name }] }));
    assert.equal(error.problems[0]?.path, 'vlans[0].interface', name);
  }
});

test('libp2p addresses are of the kinds that this daemon can use', () => {
  const bootstrap = '/ip4/192.0.2.1/tcp/7946/p2p/12D3KooWGRUaUvFz6UAZfmYkTQRNA3eCxxZsuF3KVvFMkNfFPEv6';
  assert.deepEqual(parseConfig({ bootstrap: [bootstrap] }).bootstrap, [bootstrap]);
  const peer = bootstrap.slice(bootstrap.indexOf('/p2p/'));
  for (const good of [
    `/ip4/1.2.3.4/udp/1/quic-v1${peer}`,
    `/dns4/a.example/tcp/1/ws${peer}`,
    '/ip6/::1/tcp/1/ws',
  ]) {
    assert.deepEqual(parseConfig({ bootstrap: [good] }).bootstrap, [good]);
  }
  const wrongCarriers = [
    '/ip4/1.2.3.4/udp/1',
    '/ip4/1.2.3.4/tcp/1/quic-v1',
    '/ip4/1.2.3.4/tcp/1/wss',
    '/ip4/1.2.3.4/tcp/0',
  ];
  for (const bad of ['', 'host:7946', ...wrongCarriers, `${bootstrap}x`, '/ip4/1.2.3/tcp/1']) {
    assert.equal(refusal(() => parseConfig({ bootstrap: [bad] })).problems[0]?.path, 'bootstrap[0]', bad);
  }
  for (const bad of ['/dns4/example.org/tcp/1', '/ip4/0.0.0.0/tcp/65536', bootstrap]) {
    assert.equal(refusal(() => parseConfig({ listen: { libp2p: [bad] } })).problems.length, 1, bad);
  }
});

test('rules between keys hold too', () => {
  const vlan = { id: ID, interface: 'ptap0' };
  assertRefused({ vlans: [vlan, { ...vlan, interface: 'b' }] }, 'vlans[1].id: is the same as vlans[0].id');
  assertRefused(
    { vlans: [vlan, { ...vlan, id: OTHER_ID }] },
    'vlans[1].interface: is the same as vlans[0].interface',
  );
  assertRefused(
    { vlans: [{ ...vlan, addresses: ['fd00::1/64'], mtuBytes: 1000 }] },
    'vlans[0].mtuBytes: expected 1280..9000 with an IPv6 address, got 1000',
  );
  assertRefused(
    { dataplane: { workers: 2 }, listen: { datagram: { port: 65_535 } } },
    'listen.datagram.port: expected 1..65534, since 2 workers take a port each, got 65535',
  );
});

test('a relay says for whom, and how much', () => {
  const segment = '0123456789abcdef'.repeat(2);
  const perPeer = { datagramsPerSecond: 50_000, bytesPerSecond: 40_000_000 };
  const { relay } = parseConfig({
    relay: { enabled: true, allow: ['*'], deny: [`segment:${segment}`], perPeer },
  });
  assert.deepEqual(relay.perPeer, { ...perPeer, segments: 256 });
  assert.deepEqual([relay.allow, relay.deny, relay.trace], [['*'], [`segment:${segment}`], true]);
  assertRefused(
    { relay: { enabled: true } },
    'relay.allow: is empty, so that nothing would be carried; ["*"] carries for everybody',
  );
  assertRefused(
    { relay: { allow: ['*', 'anybody'] } },
    "relay.allow[1]: expected *, a PeerId, segment:ID or PEERID/segment:ID, got 'anybody'",
  );
  assertRefused(
    { relay: { deny: ['segment:12'] } },
    "relay.deny[0]: expected 32 digits of 0-9 and a-f after segment:, got 'segment:12'",
  );
  assertRefused(
    { relay: { perPeer: { bytesPerSecond: 10 } } },
    'relay.perPeer.bytesPerSecond: expected unlimited or 1500..10000000000, got 10',
  );
  assertRefused({ relay: { total: { segments: 0 } } }, 'relay.total.segments: expected 1..3072, got 0');
  assertRefused({ relay: { enable: true } }, 'relay.enable: unknown key; did you mean enabled?');
});

test('QUIC gets none of the ports that frames arrive at', () => {
  const withQuic = (port: number) => ({
    dataplane: { workers: 2 },
    listen: { libp2p: ['/ip4/0.0.0.0/tcp/7946/ws', `/ip4/0.0.0.0/udp/${port}/quic-v1`] },
  });
  assert.equal(parseConfig(withQuic(7946)).listen.libp2p.length, 2);
  assertRefused(
    withQuic(7948),
    'listen.libp2p[1]: UDP port 7948 is one of those for frames (7947..7948); choose another',
  );
});

test('a config is frozen at every level', () => {
  const config = parseConfig({ vlans: [{ id: ID, interface: 'ptap0', addresses: ['10.7.0.1/24'] }] });
  assert.ok(Object.isFrozen(config) && Object.isFrozen(config.dataplane.offloads));
  assert.ok(Object.isFrozen(config.vlans[0]?.addresses));
});

test('whatever a document holds, it is a config or a list of problems', () => {
  fc.assert(
    fc.property(fc.jsonValue(), (document) => {
      try {
        parseConfig(document);
      } catch (error) {
        assert.ok(error instanceof ConfigError && error.problems.length > 0);
      }
    }),
  );
});

test('whatever a file holds, it is a config or a list of problems', () => {
  const piece = fc.constantFrom(
    '{',
    '}',
    '[',
    ']',
    ':',
    ',',
    '"',
    '//',
    '/*',
    '*/',
    '\\',
    '"log"',
    '"vlans"',
    '1e9',
    'null',
    '\n',
  );
  fc.assert(
    fc.property(fc.array(fc.oneof(piece, fc.string()), { maxLength: 30 }), (pieces) => {
      try {
        parseConfigText(pieces.join(''));
      } catch (error) {
        assert.ok(error instanceof ConfigError && error.problems.length > 0, String(error));
      }
    }),
  );
});

test('comments and trailing commas are allowed', () => {
  const config = parseConfigText('// mine\n{ "log": { "level": "warn", /* quiet */ }, }\n');
  assert.equal(config.log.level, 'warn');
});

test('a syntax error names line and column', () => {
  const cases: readonly [text: string, expected: RegExp][] = [
    ['{\n  "log": { "level" "x" }\n}', /^line 2:20: colon expected at/],
    ['{"log": {}', /^line 1:11: close brace expected at the end/],
    ['', /value expected|the file is empty/],
    ['['.repeat(100_000), /nested more than 64 deep/],
    ['{"log":{},"log":{}}', /^log: is given twice \(line 1\)/],
  ];
  for (const [text, expected] of cases) {
    const error = refusal(() => parseConfigText(text));
    assert.equal(error.code, 'syntax');
    assert.match(error.message, expected);
  }
});

test('a problem in a file carries its line', () => {
  const error = refusal(() => parseConfigText('{\n  "log": {\n    "level": "loud"\n  }\n}'));
  assert.match(error.message, /^log\.level: expected one of .*, got 'loud' \(line 3\)$/);
});

test('a file that cannot be read is told with what to do', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'peertap-config-'));
  try {
    const refused = async (path: string, code: ConfigErrorCode, message: RegExp) => {
      await assert.rejects(loadConfig(path), (error) => {
        assert.ok(error instanceof ConfigError);
        assert.equal(error.code, code);
        assert.match(error.message, message);
        return true;
      });
    };
    await refused(join(directory, 'none.json'), 'unreadable', /does not exist; `peertap init --config/);
    await refused(directory, 'unreadable', /is a directory/);
    const path = join(directory, 'peertap.json');
    await writeFile(path, '{"connectionLimit": 7}');
    assert.equal((await loadConfig(path)).connectionLimit, 7);
  } finally {
    await rm(directory, { recursive: true });
  }
});

test('auto takes a worker a core, four at most', () => {
  assert.deepEqual(
    [1, 2, 4, 64].map((cores) => workerCount('auto', cores)),
    [1, 2, 4, 4],
  );
  assert.equal(workerCount(9, 2), 9);
});
