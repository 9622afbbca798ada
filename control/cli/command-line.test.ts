/** Behaviour of the command line as scripts know it: what is printed where, and the exit codes. */
import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { parseConfigText } from '../config/load-config.ts';
import { runCommand } from './command-fixture.ts';

const ID = 'a'.repeat(26);
const VLAN_COMMANDS = [
  ...['create', 'join', 'leave', 'list', 'browse', 'set'],
  ...['invite', 'requests', 'approve', 'remove', 'members'],
];
const INSPECTION_COMMANDS = [['ping'], ['trace'], ['topology'], ['capture'], ['debug'], ['relay', 'status']];
const SWARM_COMMANDS = ['configure', 'exchange', 'join', 'leave', 'rotate', 'status'];
const root = await mkdtemp(join(tmpdir(), 'peertap-cli-'));
after(() => rm(root, { recursive: true }));

function run(...args: string[]) {
  return runCommand(args);
}

async function assertUsedWrongly(args: readonly string[], message: RegExp): Promise<void> {
  const result = await run(...args);
  assert.equal(result.code, 2, args.join(' '));
  assert.match(result.err, message);
  assert.equal(result.out, '');
}

test('help names the default files and ends well', async () => {
  const { code, out } = await run('--help');
  assert.equal(code, 0);
  assert.match(out, /\/etc\/peertap\/peertap\.json/);
  assert.match(out, /\/run\/peertap\/peertap\.sock/);
  const nested = await run('vlan', 'join', '--help');
  assert.equal(nested.code, 0);
  assert.match(nested.out, /--interface <name>/);
});

test('the version is that of the package', async () => {
  const { code, out } = await run('--version');
  assert.equal(code, 0);
  assert.match(out, /^\d+\.\d+\.\d+/);
});

test('every command takes --socket', async () => {
  const commands = ['daemon', 'init', 'id', 'status', 'peers', 'doctor'].map((name) => [name]);
  commands.push(
    ...VLAN_COMMANDS.map((name) => ['vlan', name]),
    ...SWARM_COMMANDS.map((name) => ['swarm', name]),
    ...INSPECTION_COMMANDS,
  );
  for (const command of commands) {
    assert.match((await run(...command, '--help')).out, /--socket <path>/, command.join(' '));
  }
});

test('every command that shows or changes something speaks JSON, too', async () => {
  const commands = ['status', 'peers', 'doctor'].map((name) => [name]);
  commands.push(
    ...VLAN_COMMANDS.map((name) => ['vlan', name]),
    ...SWARM_COMMANDS.map((name) => ['swarm', name]),
    ...INSPECTION_COMMANDS,
  );
  for (const command of commands) {
    assert.match((await run(...command, '--help')).out, /--json/, command.join(' '));
  }
});

test('what looks inside shows an example in its help', async () => {
  for (const command of INSPECTION_COMMANDS) {
    const { out } = await run(...command, '--help');
    assert.match(out, new RegExp(`Examples?:\\n  peertap ${command.join(' ')}`), command.join(' '));
  }
});

test('the help of VLANs and swarms shows the way in', async () => {
  assert.match((await run('vlan', '--help')).out, /vlan invite home/);
  assert.match((await run('swarm', '--help')).out, /peertap swarm join KEY/);
});

test('wrong use ends with 2 and a reason', async () => {
  await assertUsedWrongly([], /Usage: peertap/);
  await assertUsedWrongly(['vlan'], /Usage: peertap vlan/);
  await assertUsedWrongly(['statsu'], /Did you mean status/);
  await assertUsedWrongly(['status', '--jsn'], /Did you mean --json/);
  await assertUsedWrongly(['status', '--socket'], /argument missing/);
  await assertUsedWrongly(['status', 'now'], /too many arguments/);
  await assertUsedWrongly(['vlan', 'create'], /missing required argument 'name'/);
  await assertUsedWrongly(['vlan', 'join', ID], /required option '--interface <name>'/);
  await assertUsedWrongly(['vlan', 'crate'], /Did you mean create/);
  await assertUsedWrongly(['vlan', 'aprove', ID, 'peer'], /Did you mean approve/);
  await assertUsedWrongly(['swarm'], /Usage: peertap swarm/);
  await assertUsedWrongly(['swarm', 'jion', 'key'], /Did you mean join/);
  await assertUsedWrongly(['vlan', 'approve', ID], /missing required argument 'peer'/);
});

test('a malformed argument ends with 2 before any daemon is asked', async () => {
  const join = (...rest: string[]) => ['vlan', 'join', ID, '--interface', 'ptap0', ...rest];
  await assertUsedWrongly(['vlan', 'join', 'peertap1abc', '--interface', 'x'], /the invite was cut/);
  await assertUsedWrongly(
    ['vlan', 'create', 'x', '--subnet', '10.7.0.1/24'],
    /expected a subnet, as 10\.7\.0\.0\/24/,
  );
  await assertUsedWrongly(['vlan', 'invite', ID, '--uses', '0'], /1\.\.1000/);
  await assertUsedWrongly(
    ['vlan', 'invite', ID, '--expires', 'soon'],
    /a duration like 30min, 12h or 7d, got 'soon'/,
  );
  await assertUsedWrongly(['vlan', 'invite', ID, '--expires', '5s'], /expected 1min\.\.365d/);
  await assertUsedWrongly(['vlan', 'approve', ID, 'x'], /expected a PeerId \(12D3KooW…\)/);
  await assertUsedWrongly(['vlan', 'members', 'bad\u0007name'], /without control characters/);
  await assertUsedWrongly(['vlan', 'create', ''], /a name of 1\.\.64 bytes/);
  await assertUsedWrongly(['vlan', 'leave', `${ID.slice(1)}b`], /spare bits/);
  await assertUsedWrongly(['vlan', 'join', ID.toUpperCase(), '--interface', 'x'], /lower case/);
  await assertUsedWrongly(['vlan', 'join', ID, '--interface', 'much-too-long-a-name'], /1\.\.15 bytes/);
  await assertUsedWrongly(join('--address', '10.7.0.1'), /prefix length after a slash/);
  await assertUsedWrongly(join('--mtu', '99999'), /576\.\.9000/);
  await assertUsedWrongly(['ping', 'x'], /expected a PeerId \(12D3KooW…\), a MAC address/);
  await assertUsedWrongly(['ping', 'QZ8f', '--size', '20000'], /expected 112\.\.9216/);
  await assertUsedWrongly(['ping', 'QZ8f', '--interval', '0.001'], /expected 0\.01\.\.3600 seconds/);
  await assertUsedWrongly(['ping', 'QZ8f', '--timeout', 'soon'], /expected 0\.01\.\.60 seconds/);
  await assertUsedWrongly(['capture', '--vlan', ID], /required option '--write <file>'/);
  await assertUsedWrongly(['capture', '--write', 'x'], /required option '--vlan <id>'/);
  await assertUsedWrongly(['debug', 'trunk'], /expected subsystem=level, got 'trunk'/);
  await assertUsedWrongly(
    ['debug', 'trunks=info'],
    /no subsystem 'trunks' \(did you mean trunk\?\); there are node, /,
  );
  await assertUsedWrongly(['debug', 'trunk=verbose'], /no level 'verbose'; there are trace, debug/);
  await assertUsedWrongly(['topology', '--json', '--dot'], /give one of them/);
  await assertUsedWrongly(['relay'], /Usage: peertap relay/);
});

test('without a daemon a command fails and says what to do', async () => {
  const socket = join(root, 'none.sock');
  const commands = [
    ['status'],
    ['peers'],
    ['vlan', 'list'],
    ['vlan', 'create', 'home'],
    ['vlan', 'leave', ID],
    ['vlan', 'join', 'home', '--interface', 'ptap0'],
    ['vlan', 'set', ID, 'name=x'],
    ['swarm', 'configure'],
    ['ping', 'QZ8f'],
    ['trace', '02:00'],
    ['topology'],
    ['capture', '--vlan', ID, '--write', join(root, 'none.pcapng')],
    ['debug'],
    ['relay', 'status'],
  ];
  for (const command of commands) {
    const { code, err, out } = await run(...command, '--socket', socket);
    assert.equal(code, 1, command.join(' '));
    assert.match(err, /no daemon runs here.*peertap daemon/);
    assert.equal(out, '');
  }
});

test('init writes a config that loads and prints the PeerId alone', async () => {
  const config = join(root, 'etc', 'peertap.json');
  const stateDirectory = join(root, 'state');
  const first = await run('init', '--config', config, '--state-directory', stateDirectory);
  assert.equal(first.code, 0, first.err);
  assert.match(first.out, /^12D3KooW\w{44}$/);
  const text = await readFile(config, 'utf8');
  assert.equal(parseConfigText(text).stateDirectory, stateDirectory);
  assert.equal((await stat(config)).mode & 0o777, 0o600);
  const second = await run('init', '--config', config, '--state-directory', join(root, 'other'));
  assert.equal(second.code, 1);
  assert.match(second.err, /exists and was left as it is/);
  assert.equal(await readFile(config, 'utf8'), text);
  await assert.rejects(stat(join(root, 'other')));
  assert.equal((await run('id', '--config', config)).out, first.out);
});

test('id makes a missing identity and then prints the same', async () => {
  const config = join(root, 'id.json');
  await writeFile(config, JSON.stringify({ stateDirectory: join(root, 'id-state') }));
  const first = await run('id', '--config', config);
  assert.equal(first.code, 0);
  assert.match(first.err, /made a new identity/);
  const second = await run('id', '--config', config);
  assert.deepEqual([second.code, second.out, second.err], [0, first.out, '']);
});

test('a bad config fails with the file and each problem on a line', async () => {
  const config = join(root, 'bad.json');
  await writeFile(config, '{"connectionLimit": 9999, "vlan": []}');
  for (const command of ['daemon', 'id']) {
    const { code, err } = await run(command, '--config', config);
    assert.equal(code, 1);
    assert.match(err, /bad\.json cannot be used:\n {2}connectionLimit: expected 1\.\.1024, got 9999/);
    assert.match(err, /vlan: unknown key; did you mean vlans\?/);
  }
  const missing = await run('daemon', '--config', join(root, 'missing.json'));
  assert.equal(missing.code, 1);
  assert.match(missing.err, /does not exist; `peertap init --config/);
});
