/**
 * Runs a child in this process's place: its signals, its end, its exit code.
 *
 * Plain JavaScript for Node 20. Must never outlive the child, nor end before it except by SIGKILL.
 */
import { spawn } from 'node:child_process';

const FORWARDED = ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGQUIT', 'SIGUSR1', 'SIGUSR2'];

/**
 * @param {string} command
 * @param {readonly string[]} args
 * @param {import('node:child_process').SpawnOptions} options
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
}
