/**
 * Owns what /proc says of a running daemon beside its total cost: what its interfaces carried and what its main thread
 * used. Reading a file disturbs the daemon less than asking it would. Runs on the main thread of the bench.
 */

import { readFileSync } from 'node:fs';

/**
 * Bytes that an interface of the process's own network namespace has received.
 *
 * @param table - the text of /proc/PID/net/dev
 * @throws Error when the interface is not there
 * @see proc_pid_net(5)
 */
export function receivedBytesIn(table: string, interfaceName: string): number {
  for (const line of table.split('\n')) {
    const [name, counters] = line.split(':');
    if (name?.trim() === interfaceName) return Number(counters?.trim().split(/\s+/)[0]);
  }
  throw new Error(`there is no interface ${interfaceName}`);
}

/** Bytes that an interface in the process's network namespace has received. @throws Error when it is not there */
export function receivedBytesOf(processId: number, interfaceName: string): number {
  return receivedBytesIn(readFileSync(`/proc/${processId}/net/dev`, 'utf8'), interfaceName);
}

/** CPU seconds that the process's first thread has used, to the nanosecond. @see Linux, sched-stats.rst */
export function mainThreadSecondsOf(processId: number): number {
  const [onCpuNs] = readFileSync(`/proc/${processId}/task/${processId}/schedstat`, 'utf8').split(' ');
  return Number(onCpuNs) / 1e9;
}
