/**
 * Probe program: sends raw Ethernet frames, or shows those that arrive.
 *
 *   node frames.ts '{"mode":"send","interfaceName":"ptap0","frames":["ffff…"]}'
 *   node frames.ts '{"mode":"receive","interfaceName":"ptap0","marker":"c0ffee","count":3,"timeoutMs":5000}'
 *
 * A receiver writes the line `ready`, then one line of JSON: the frames in hexadecimal. Runs in a namespace of the lab.
 */

import * as v from 'valibot';

import { PacketSocket, waitForFrame } from '../packet-socket.ts';

const request = v.variant('mode', [
  v.object({ mode: v.literal('send'), interfaceName: v.string(), frames: v.array(v.string()) }),
  v.object({
    mode: v.literal('receive'),
    interfaceName: v.string(),
    marker: v.string(),
    count: v.number(),
    timeoutMs: v.number(),
    /** How long to go on behind the last of `count`, for those that are too many. */
    lingerMs: v.optional(v.number(), 0),
  }),
]);

const wanted = v.parse(request, JSON.parse(process.argv[2] ?? '{}'));
const socket = new PacketSocket(wanted.interfaceName);
if (wanted.mode === 'send') sendAll(wanted.frames);
else receiveAll(wanted);
socket.close();

function sendAll(frames: readonly string[]): void {
  for (const frame of frames) {
    const bytes = Buffer.from(frame, 'hex');
    if (!socket.send(bytes)) throw new Error(`the kernel refused a frame of ${bytes.length} bytes`);
  }
}

/** Gathers frames that hold the marker; what else is on the segment passes by. */
function receiveAll({
  marker,
  count,
  timeoutMs,
  lingerMs,
}: {
  marker: string;
  count: number;
  timeoutMs: number;
  lingerMs: number;
}): void {
  process.stdout.write('ready\n');
  let endMs = performance.now() + timeoutMs;
  const found: string[] = [];
  while (found.length < count || lingerMs > 0) {
    const leftMs = Math.ceil(endMs - performance.now());
    if (leftMs <= 0 || !waitForFrame([socket], leftMs)) break;
    for (let frame = socket.receive(); frame !== undefined; frame = socket.receive()) {
      const text = frame.toString('hex');
      if (!text.includes(marker)) continue;
      found.push(text);
      if (found.length === count) endMs = performance.now() + lingerMs;
    }
  }
  process.stdout.write(`${JSON.stringify(lingerMs > 0 ? found : found.slice(0, count))}\n`);
}
