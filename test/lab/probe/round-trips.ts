/**
 * Probe program: requests and responses over one TCP connection, one at a time, as a client of a database has them.
 *
 *   node round-trips.ts '{"mode":"serve","address":"10.7.0.2","port":5303,"bytes":64}'
 *   node round-trips.ts '{"mode":"ask","address":"10.7.0.2","port":5303,"bytes":64,"seconds":2}'
 *
 * A server writes the line `ready` when it listens, and ends with its client. A client ends with one line of JSON: the
 * round trips in ms, in order. Sockets block: an event loop would add more than a wire does. Runs in a namespace of the
 * lab.
 */

import * as v from 'valibot';

import { StreamSocket } from '../stream-socket.ts';

const endpoint = { address: v.string(), port: v.number(), bytes: v.number() };
const request = v.variant('mode', [
  v.object({ mode: v.literal('serve'), ...endpoint }),
  v.object({ mode: v.literal('ask'), ...endpoint, seconds: v.number() }),
]);

/** Code that runs for the first time is slower than a wire. */
const WARM_UP_COUNT = 50;

const wanted = v.parse(request, JSON.parse(process.argv[2] ?? '{}'));
const message = Buffer.alloc(wanted.bytes);
if (wanted.mode === 'serve') serve();
else process.stdout.write(`${JSON.stringify({ timesMs: ask(wanted.seconds) })}\n`);

function serve(): void {
  const stream = StreamSocket.acceptOne(wanted.address, wanted.port, () => process.stdout.write('ready\n'));
  while (receiveWhole(stream)) stream.send(message);
  stream.close();
}

function ask(seconds: number): number[] {
  const stream = StreamSocket.connect(wanted.address, wanted.port);
  const timesMs: number[] = [];
  for (let count = 0; count < WARM_UP_COUNT; count++) exchange(stream);
  const endMs = performance.now() + seconds * 1000;
  for (let sentMs = performance.now(); sentMs < endMs; sentMs = performance.now()) {
    exchange(stream);
    timesMs.push(performance.now() - sentMs);
  }
  stream.close();
  return timesMs;
}

function exchange(stream: StreamSocket): void {
  stream.send(message);
  if (!receiveWhole(stream)) throw new Error('the server has gone');
}

/** @returns false at the end of the stream */
function receiveWhole(stream: StreamSocket): boolean {
  for (let received = 0; received < message.length; ) {
    const count = stream.receive(message.subarray(received));
    if (count === 0) return false;
    received += count;
  }
  return true;
}
