/**
 * Probe program: how a NAT treats UDP (a small RFC 5780).
 *
 *   node mapping.ts '{"mode":"serve","ports":[5401,5402]}'
 *   node mapping.ts '{"mode":"ask","port":7947,"servers":[{"address":"11.0.0.9","port":5401}]}'
 *   node mapping.ts '{"mode":"punch","port":7947,"to":{"address":"11.0.0.2","port":7947},"timeoutMs":3000}'
 *   node mapping.ts '{"mode":"knock","to":{"address":"11.0.0.1","port":7947}}'
 *
 * A server writes the line `ready`, tells each sender the address that it is seen with, and goes on until its process is
 * ended. `ask` sends from one port to several servers and ends with a line of JSON: their answers in order, null for none.
 * `punch` sends every 50 ms until it hears something, and ends with whether it did. `knock` sends once. Runs in a
 * namespace of the lab.
 */

import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import * as v from 'valibot';

const endpoint = v.object({ address: v.string(), port: v.number() });
const request = v.variant('mode', [
  v.object({ mode: v.literal('serve'), ports: v.array(v.number()) }),
  v.object({ mode: v.literal('ask'), port: v.number(), servers: v.array(endpoint) }),
  v.object({ mode: v.literal('punch'), port: v.number(), to: endpoint, timeoutMs: v.number() }),
  v.object({ mode: v.literal('knock'), to: endpoint }),
]);

type Endpoint = v.InferOutput<typeof endpoint>;

const ANSWER_MS = 1000;
const PUNCH_INTERVAL_MS = 50;

const wanted = v.parse(request, JSON.parse(process.argv[2] ?? '{}'));
if (wanted.mode === 'serve') await serve(wanted.ports);
else if (wanted.mode === 'ask') say(await ask(await bound(wanted.port), wanted.servers));
else if (wanted.mode === 'punch') say(await punch(await bound(wanted.port), wanted.to, wanted.timeoutMs));
else say(await knock(await bound(0), wanted.to));

function say(outcome: unknown): void {
  process.stdout.write(`${JSON.stringify(outcome)}\n`, () => process.exit(0));
}

async function bound(port: number): Promise<Socket> {
  const socket = createSocket('udp4');
  socket.bind(port);
  await once(socket, 'listening');
  return socket;
}

async function serve(ports: readonly number[]): Promise<void> {
  for (const port of ports) {
    const socket = await bound(port);
    socket.on('message', (_, from) => {
      socket.send(`${from.address}:${from.port}`, from.port, from.address);
    });
  }
  process.stdout.write('ready\n');
}

async function ask(socket: Socket, servers: readonly Endpoint[]): Promise<(string | null)[]> {
  const answers: (string | null)[] = [];
  for (const { address, port } of servers) {
    const answer = once(socket, 'message') as Promise<[Buffer]>;
    socket.send('?', port, address);
    answers.push(await Promise.race([answer.then(([text]) => text.toString()), sleep(ANSWER_MS, null)]));
  }
  return answers;
}

async function punch(socket: Socket, to: Endpoint, timeoutMs: number): Promise<boolean> {
  const heard: Buffer[] = [];
  socket.on('message', (message) => heard.push(message));
  const endMs = performance.now() + timeoutMs;
  while (heard.length === 0 && performance.now() < endMs) {
    socket.send('!', to.port, to.address);
    await sleep(PUNCH_INTERVAL_MS);
  }
  // Once more, as the other side may have heard nothing yet.
  socket.send('!', to.port, to.address);
  await sleep(PUNCH_INTERVAL_MS);
  return heard.length > 0;
}

async function knock(socket: Socket, to: Endpoint): Promise<boolean> {
  socket.send('!', to.port, to.address);
  await sleep(PUNCH_INTERVAL_MS);
  return true;
}
