/**
 * Probe program: UDP to broadcast and multicast addresses.
 *
 *   node datagrams.ts '{"mode":"receive","port":5302,"group":"239.7.7.7","interfaceAddress":"10.7.0.2","timeoutMs":5000}'
 *   node datagrams.ts '{"mode":"send","address":"239.7.7.7","port":5302,"interfaceAddress":"10.7.0.1","text":"hello"}'
 *
 * A receiver writes the line `ready`, then one line of JSON: the first text that came, or null. For IPv6 the interface
 * address is `::%ptap0`. Runs in a namespace of the lab.
 */

import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import * as v from 'valibot';

const request = v.variant('mode', [
  v.object({
    mode: v.literal('receive'),
    port: v.number(),
    family: v.optional(v.picklist(['udp4', 'udp6']), 'udp4'),
    group: v.optional(v.string()),
    interfaceAddress: v.optional(v.string()),
    timeoutMs: v.number(),
  }),
  v.object({
    mode: v.literal('send'),
    address: v.string(),
    port: v.number(),
    family: v.optional(v.picklist(['udp4', 'udp6']), 'udp4'),
    interfaceAddress: v.optional(v.string()),
    text: v.string(),
  }),
]);

const wanted = v.parse(request, JSON.parse(process.argv[2] ?? '{}'));
const socket = createSocket({ type: wanted.family, reuseAddr: true });
socket.bind(wanted.mode === 'receive' ? wanted.port : 0);
await once(socket, 'listening');
if (wanted.mode === 'receive') {
  if (wanted.group !== undefined) socket.addMembership(wanted.group, wanted.interfaceAddress);
  process.stdout.write('ready\n');
  const text = await Promise.race([firstText(), sleep(wanted.timeoutMs, null)]);
  process.stdout.write(`${JSON.stringify(text)}\n`);
  process.exit(0);
} else {
  socket.setBroadcast(wanted.family === 'udp4');
  if (wanted.interfaceAddress !== undefined) socket.setMulticastInterface(wanted.interfaceAddress);
  socket.send(wanted.text, wanted.port, wanted.address, () => {
    socket.close();
  });
}

async function firstText(): Promise<string> {
  const [message] = (await once(socket, 'message')) as [Buffer];
  return message.toString();
}
