/**
 * Probe program: sends what a hostile or broken neighbour sends, to a daemon's datagram port or its libp2p port.
 *
 *   node garbage.ts '{"mode":"datagrams","address":"10.99.0.1","port":7947,"count":5000}'
 *   node garbage.ts '{"mode":"streams","address":"10.99.0.1","port":7946,"count":20}'
 *
 * Everything is drawn from a seed, which is shown, so that a run can be repeated (`"seed":1`). Runs in a namespace of
 * the lab.
 */

import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import * as v from 'valibot';

const request = v.object({
  mode: v.picklist(['datagrams', 'streams']),
  address: v.string(),
  port: v.number(),
  count: v.number(),
  seed: v.optional(v.number(), 1),
});

/** Version 1, type 1: what gets a datagram past the first check. */
const VERSION_TYPE = 0x11;
const LARGEST_UDP_BYTES = 65_507;
const BURST = 50;
const CONNECTION_MS = 200;

const wanted = v.parse(request, JSON.parse(process.argv[2] ?? '{}'));
let state = wanted.seed >>> 0 || 1;
if (wanted.mode === 'datagrams') await sendDatagrams();
else await sendStreams();
process.stdout.write(`${JSON.stringify({ seed: wanted.seed, count: wanted.count })}\n`);

/** xorshift32: small, seeded, good enough to make noise. */
function draw(below: number): number {
  state ^= state << 13;
  state ^= state >>> 17;
  state ^= state << 5;
  return (state >>> 0) % below;
}

function noise(length: number): Buffer {
  const bytes = Buffer.alloc(length);
  for (let at = 0; at < length; at++) bytes[at] = draw(256);
  return bytes;
}

/** Empty, short, just short of a header, a header with noise behind it, as large as UDP goes. */
function nextDatagram(number: number): Buffer {
  const sizes = [0, 1, 15, 47, 63, 64, 65, 200, 1400, 1472];
  const size = number % 500 === 499 ? LARGEST_UDP_BYTES : (sizes[draw(sizes.length)] ?? 64);
  const bytes = noise(size);
  if (size > 0 && number % 2 === 0) bytes[0] = VERSION_TYPE;
  // Receiver indexes that may exist: small numbers.
  if (size >= 8 && number % 3 === 0) bytes.writeUInt32LE(draw(64), 4);
  return bytes;
}

async function sendDatagrams(): Promise<void> {
  const socket = createSocket('udp4');
  socket.on('error', () => undefined);
  for (let number = 0; number < wanted.count; number++) {
    socket.send(nextDatagram(number), wanted.port, wanted.address);
    if (number % BURST === 0) await sleep(1);
  }
  await sleep(100);
  socket.close();
}

/** Noise, half a protocol name, and silence; then the connection is dropped. */
async function sendStreams(): Promise<void> {
  for (let number = 0; number < wanted.count; number++) {
    const socket = connect(wanted.port, wanted.address);
    socket.on('error', () => undefined);
    await Promise.race([once(socket, 'connect').catch(() => undefined), sleep(1000)]);
    if (number % 3 === 0) socket.write(noise(1 + draw(4096)));
    if (number % 3 === 1) socket.write(Buffer.from('\x13/multistream/1.'));
    await sleep(CONNECTION_MS / 4);
    socket.destroy();
  }
}
