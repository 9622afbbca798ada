/**
 * Probe program: sizes of the packets that an interface hands to its wire, to see that a wire is what it is said to be.
 *
 *   node packet-sizes.ts '{"interfaceName":"eth0","seconds":1}'
 *
 * Writes the line `ready`, looks for that long, and ends with one line of JSON: how many packets it saw and the largest
 * of them, in bytes with the Ethernet header. Under load it sees a sample. Runs in a namespace of the lab.
 */

import * as v from 'valibot';

import { PacketSizeSocket } from '../packet-size-socket.ts';

const request = v.object({ interfaceName: v.string(), seconds: v.number() });

const { interfaceName, seconds } = v.parse(request, JSON.parse(process.argv[2] ?? '{}'));
const socket = new PacketSizeSocket(interfaceName);
process.stdout.write('ready\n');
const endMs = performance.now() + seconds * 1000;
let seenCount = 0;
let largestBytes = 0;
while (performance.now() < endMs) {
  const bytes = socket.next();
  if (bytes === undefined) continue;
  seenCount++;
  largestBytes = Math.max(largestBytes, bytes);
}
socket.close();
process.stdout.write(`${JSON.stringify({ seenCount, largestBytes })}\n`);
