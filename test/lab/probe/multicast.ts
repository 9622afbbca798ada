/**
 * Probe program: a stream of multicast datagrams, and a listener that counts.
 *
 *   node multicast.ts '{"mode":"count","group":"239.7.7.7","port":5311,"interfaceAddress":"10.7.0.2","seconds":5}'
 *   node multicast.ts '{"mode":"send","group":"239.7.7.7","port":5311,"interfaceAddress":"10.7.0.1","perSecond":10000,"seconds":1}'
 *
 * A listener writes the line `ready`, is subscribed for that long or until SIGTERM, and ends with one line of JSON: how
 * many came. A sender ends with one: how many it sent. For IPv6 the interface address is `::%ptap0`. Runs in a namespace of the lab.
 */

import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import * as v from 'valibot';

const common = { group: v.string(), port: v.number(), interfaceAddress: v.string(), seconds: v.number() };
const request = v.variant('mode', [
  v.object({ mode: v.literal('count'), ...common }),
  v.object({
    mode: v.literal('send'),
    ...common,
    perSecond: v.number(),
    payloadBytes: v.optional(v.number(), 200),
  }),
]);

const RECEIVE_BUFFER_BYTES = 8 << 20;
const TURN_MS = 2;

const wanted = v.parse(request, JSON.parse(process.argv[2] ?? '{}'));
const socket = createSocket({ type: wanted.group.includes(':') ? 'udp6' : 'udp4', reuseAddr: true });
socket.bind(wanted.mode === 'count' ? wanted.port : 0);
await once(socket, 'listening');
const total = wanted.mode === 'count' ? await count(socket) : await send(socket, wanted);
process.stdout.write(`${JSON.stringify(total)}\n`, () => process.exit(0));

async function count(on: Socket): Promise<number> {
  on.setRecvBufferSize(RECEIVE_BUFFER_BYTES);
  const counted = { datagrams: 0 };
  on.on('message', () => counted.datagrams++);
  on.addMembership(wanted.group, wanted.interfaceAddress);
  process.stdout.write('ready\n');
  await Promise.race([sleep(wanted.seconds * 1000), endOfProcess()]);
  return counted.datagrams;
}

function endOfProcess(): Promise<void> {
  return new Promise((resolve) => {
    process.once('SIGTERM', resolve);
  });
}

/** Keeps to the rate over the whole run: what a turn was late with, the next one sends. */
async function send(
  on: Socket,
  { perSecond, payloadBytes }: { perSecond: number; payloadBytes: number },
): Promise<number> {
  on.setMulticastInterface(wanted.interfaceAddress);
  const payload = Buffer.alloc(payloadBytes, 0x5a);
  const startMs = performance.now();
  const all = perSecond * wanted.seconds;
  let sent = 0;
  while (sent < all) {
    const due = Math.min(all, ((performance.now() - startMs) / 1000) * perSecond);
    for (; sent < due; sent++) on.send(payload, wanted.port, wanted.group);
    await sleep(TURN_MS);
  }
  return sent;
}
