/** Behaviour of the shim with a stand-in for the command: arguments, exit codes, signals, and a shim that is killed. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';

const HERE = fileURLToPath(new URL('.', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'peertap-shim-'));
const shim = join(folder, 'control', 'bin', 'peertap.mjs');
mkdirSync(join(folder, 'control', 'bin'), { recursive: true });
for (const name of ['peertap.mjs', 'child.mjs', 'pinned-node.mjs']) {
  cpSync(join(HERE, name), join(folder, 'control', 'bin', name));
}
writeFileSync(join(folder, 'package.json'), '{"type":"module"}');
/** Prints its process id, then what happens to it; `exit N` ends it at once. */
writeFileSync(
  join(folder, 'control', 'main.js'),
  `import { Socket } from 'node:net';
  const [what, code] = process.argv.slice(2);
  if (what === 'exit') process.exit(Number(code));
  for (const signal of ['SIGTERM', 'SIGHUP']) process.on(signal, () => console.log(signal));
  process.on('SIGUSR2', () => process.exit(7));
  const pipe = new Socket({ fd: Number(process.env.PEERTAP_SHIM_FD), readable: true, writable: false });
  pipe.once('close', () => { console.log('shim gone'); process.exit(0); });
  pipe.resume();
  console.log(process.pid);`,
);
after(() => {
  rmSync(folder, { recursive: true });
});

/** Starts the shim; `next` gives one line of the stand-in's output after the other. */
async function start(): Promise<{ child: ChildProcess; pid: number; next: () => Promise<string> }> {
  const child = spawn(process.execPath, [shim, 'run'], { stdio: ['ignore', 'pipe', 'inherit'] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async (): Promise<string> => {
    const { done, value } = await lines.next();
    return done === true ? '' : value;
  };
  return { child, pid: Number(await next()), next };
}

test('arguments go in and the exit code comes out', () => {
  for (const code of [0, 1, 2, 42]) {
    assert.equal(spawnSync(process.execPath, [shim, 'exit', String(code)]).status, code);
  }
});

test('signals go to the command, and its end is the end of the shim', async () => {
  const { child, pid, next } = await start();
  const ended = once(child, 'exit');
  child.kill('SIGHUP');
  assert.equal(await next(), 'SIGHUP');
  child.kill('SIGTERM');
  assert.equal(await next(), 'SIGTERM');
  process.kill(pid, 'SIGUSR2');
  assert.deepEqual(await ended, [7, null]);
});

test('a command that a signal ended ends the shim by the same one', async () => {
  const { child, pid } = await start();
  const ended = once(child, 'exit');
  process.kill(pid, 'SIGKILL');
  assert.deepEqual(await ended, [null, 'SIGKILL']);
});

test('a shim that is killed takes the command with it', async () => {
  const { child, next } = await start();
  child.kill('SIGKILL');
  assert.equal(await next(), 'shim gone');
});

test('under npx, the shell or npm that is killed ends the command as by SIGTERM', async () => {
  const script = `"${process.execPath}" "${shim}" run; exit`;
  const env = { ...process.env, npm_command: 'exec' };
  /** npm goes by this name, and waits for the shell. */
  const npm = `require('node:child_process').spawn('sh', ['-c', process.argv[1]], { stdio: 'inherit' })`;
  const shells = [
    spawn('sh', ['-c', script], { stdio: ['ignore', 'pipe', 'inherit'], env }),
    spawn(process.execPath, ['-e', npm, script], { argv0: 'npm', stdio: ['ignore', 'pipe', 'inherit'], env }),
  ];
  for (const shell of shells) {
    const lines = createInterface({ input: shell.stdout })[Symbol.asyncIterator]();
    const pid = Number((await lines.next()).value);
    shell.kill('SIGKILL');
    assert.equal((await lines.next()).value, 'SIGTERM');
    process.kill(pid, 'SIGKILL');
  }
});
