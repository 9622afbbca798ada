/**
 * Runs a child in this process's place: its signals, its end, its exit code.
 *
 * Plain JavaScript for Node 20. Must never outlive the child, nor end before it except by SIGKILL.
 */
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';

/** How often a process looks whether npm is still there; nothing tells it. */
const PARENT_CHECK_MS = 250;
/** The shell, npm; more only where somebody wraps them. */
const ANCESTORS_MAX = 4;
const FORWARDED = ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGQUIT', 'SIGUSR1', 'SIGUSR2'];

/**
 * @param {string} command
 * @param {readonly string[]} args
 * @param {import('node:child_process').SpawnOptions} options
 * @returns {import('node:child_process').ChildProcess}
 */
export function replaceBy(command, args, options) {
  const child = spawn(command, args, { stdio: 'inherit', ...options });
  // From a terminal the child gets SIGINT itself as well; it takes the two for one.
  const forward = (signal) => child.kill(signal);
  for (const signal of FORWARDED) process.on(signal, forward);
  child.once('error', (error) => {
    console.error(`cannot run ${command}: ${error.message}`);
    process.exit(1);
  });
  child.once('exit', (code, signal) => {
    if (signal === null) process.exit(code ?? 1);
    for (const name of FORWARDED) process.removeListener(name, forward);
    // Whoever waits for this process sees the same end.
    process.kill(process.pid, signal);
  });
  return child;
}

/**
 * Ends the child by SIGTERM when npm, which started this process, is gone. npm hands SIGHUP on to nobody and SIGTERM
 * only to the shell in between, and would leave the child behind with nobody who knows of it.
 *
 * @param {import('node:child_process').ChildProcess} child
 */
export function endWithNpm(child) {
  const line = lineToNpm();
  const timer = setInterval(() => {
    if (line.every((pid, index) => parentOf(index === 0 ? process.pid : line[index - 1]) === pid)) return;
    clearInterval(timer);
    child.kill('SIGTERM');
  }, PARENT_CHECK_MS);
}

/** The parent, and its ancestors up to npm; only the parent when none of them is npm. */
function lineToNpm() {
  const line = [];
  for (let pid = process.ppid; pid > 1 && line.length < ANCESTORS_MAX; pid = parentOf(pid)) {
    line.push(pid);
    if (/^np[mx]\b/.test(readProc(pid, 'cmdline'))) return line;
  }
  return line.slice(0, 1);
}

function parentOf(pid) {
  if (pid === process.pid) return process.ppid;
  return Number(/^PPid:\s*(\d+)/m.exec(readProc(pid, 'status'))?.[1] ?? 0);
}

function readProc(pid, name) {
  try {
    return readFileSync(`/proc/${pid}/${name}`, 'latin1');
  } catch {
    return '';
  }
}
