/**
 * Probe program: UDP datagrams there and back, for round trips where there is no ping.
 *
 *   node echo.ts '{"mode":"serve","address":"10.7.0.2","port":5301}'
 *   node echo.ts '{"mode":"ask","address":"10.7.0.2","port":5301,"count":100,"intervalMs":10,"payloadBytes":64}'
 *
 * A server writes the line `ready` and goes on until its process is ended. A client writes one line of JSON: how many
 * it sent and the round trips that came back, in ms. Runs in a namespace of the lab.
 */

import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import * as v from 'valibot';

const endpoint = { address: v.string(), port: v.number() };
const request = v.variant('mode', [
  v.object({ mode: v.literal('serve'), ...endpoint }),
  v.object({
    mode: v.literal('ask'),
    ...endpoint,
    count: v.number(),
    intervalMs: v.number(),
    payloadBytes: v.optional(v.number(), 64),
  }),
]);

const LAST_REPLY_MS = 1000;
const SEQUENCE_BYTES = 4;

const wanted = v.parse(request, JSON.parse(process.argv[2] ?? '{}'));
const socket = createSocket(wanted.address.includes(':') ? 'udp6' : 'udp4');
if (wanted.mode === 'serve') await serve(socket);
else await ask(socket, wanted);

async function serve(on: Socket): Promise<void> {
  on.on('message', (message, from) => {
    on.send(message, from.port, from.address);
  });
  on.bind(wanted.port, wanted.address);
  await once(on, 'listening');
  process.stdout.write('ready\n');
}

async function ask(
  on: Socket,
  { count, intervalMs, payloadBytes }: { count: number; intervalMs: number; payloadBytes: number },
): Promise<void> {
  const sentAtMs: number[] = [];
  const timesMs: number[] = [];
  on.on('message', (message) => {
    const sequence = message.readUInt32LE(0);
    const sentMs = sentAtMs[sequence];
    if (sentMs !== undefined) timesMs.push(performance.now() - sentMs);
  });
  on.on('error', () => undefined);
  on.connect(wanted.port, wanted.address);
  await once(on, 'connect');
  const payload = Buffer.alloc(Math.max(SEQUENCE_BYTES, payloadBytes));
  for (let sequence = 0; sequence < count; sequence++) {
    payload.writeUInt32LE(sequence, 0);
    sentAtMs.push(performance.now());
    on.send(Buffer.from(payload));
    await sleep(intervalMs);
  }
  const endMs = performance.now() + LAST_REPLY_MS;
  while (timesMs.length < count && performance.now() < endMs) await sleep(10);
  on.close();
  process.stdout.write(`${JSON.stringify({ sentCount: count, timesMs })}\n`);
}
