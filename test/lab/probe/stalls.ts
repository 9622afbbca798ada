/**
 * Probe program: when an interface stood still, as seen by the bytes that arrive on it.
 *
 *   node stalls.ts '{"interfaceName":"ptap0","seconds":5}'
 *
 * Writes the line `ready`, reads the kernel's counter often for that long, and ends with one line of JSON: how many bytes
 * came, and each stall that was longer than a few readings. Below `leastBytes` in a reading counts as nothing, so that a
 * ping beside the stream does not hide its stall. Runs in a namespace of the lab.
 */

import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import * as v from 'valibot';

const request = v.object({
  interfaceName: v.string(),
  seconds: v.number(),
  leastBytes: v.optional(v.number(), 1_500),
});

const READING_MS = 10;
const SHOWN_MS = 60;

const { interfaceName, seconds, leastBytes } = v.parse(request, JSON.parse(process.argv[2] ?? '{}'));

/** The first number behind an interface's name. @see proc_pid_net(5), dev */
function receivedBytes(): number {
  const line = readFileSync('/proc/self/net/dev', 'utf8')
    .split('\n')
    .find((text) => text.trimStart().startsWith(`${interfaceName}:`));
  if (line === undefined) throw new Error(`there is no interface ${interfaceName}`);
  return Number(line.split(':')[1]?.trim().split(/\s+/)[0]);
}

const firstBytes = receivedBytes();
process.stdout.write('ready\n');
const endMs = performance.now() + seconds * 1000;
const stalls: { fromUnixMs: number; lastedMs: number }[] = [];
let lastBytes = firstBytes;
let movedMs = performance.now();

/** Notes what lies between the last movement and now, when it is worth showing. */
function note(nowMs: number): void {
  const lastedMs = Math.round(nowMs - movedMs);
  if (lastedMs >= SHOWN_MS) stalls.push({ fromUnixMs: Math.round(Date.now() - lastedMs), lastedMs });
}

while (performance.now() < endMs) {
  await sleep(READING_MS);
  const bytes = receivedBytes();
  const nowMs = performance.now();
  if (bytes - lastBytes >= leastBytes) {
    note(nowMs);
    movedMs = nowMs;
  }
  lastBytes = bytes;
}
note(performance.now());
process.stdout.write(`${JSON.stringify({ receivedBytes: lastBytes - firstBytes, stalls })}\n`);
