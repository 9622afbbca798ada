/**
 * Owns the count of copies: each member of a fabric sends one broadcast frame, and each other one looks what comes.
 *
 * Runs on the main thread of a test process; bounded in time.
 */

import { ethernetFrame } from '../system/frame-samples.ts';
import type { LabDaemon } from './daemon.ts';
import { FABRIC_TAP, type FabricNet } from './fabric-net.ts';
import { gatherFrames, sendFrames } from './probes.ts';

const MARKER = 'feedc0de';
/** An EtherType for experiments. @see IEEE 802 section 9.2.3 */
const ETHER_TYPE = '88b5';
const FRAME_BYTES = 200;
const GATHER_TIMEOUT_MS = 10_000;
/** A copy too many comes within a few round trips, or goes round for ever. */
const LINGER_MS = 500;

/** @returns a row a member, in it how many copies of each member's broadcast came out of its TAP */
export async function countCopies({ members }: FabricNet): Promise<number[][]> {
  const gathered = await Promise.all(
    members.map((node) =>
      gatherFrames(node.machine.namespace, {
        interfaceName: FABRIC_TAP,
        marker: MARKER,
        count: members.length - 1,
        timeoutMs: GATHER_TIMEOUT_MS,
        lingerMs: LINGER_MS,
      }),
    ),
  );
  await Promise.all(members.map(sendBroadcast));
  const frames = await Promise.all(gathered.map((result) => result()));
  return frames.map((texts) =>
    members.map((_, from) => texts.filter((text) => text.includes(markerOf(from))).length),
  );
}

/** What {@link countCopies} gives where all is right: one of each other's, none of the own. */
export function oneCopyEach({ members }: FabricNet): number[][] {
  return members.map((_, at) => members.map((__, from) => (at === from ? 0 : 1)));
}

function sendBroadcast({ machine: { namespace } }: LabDaemon, index: number): Promise<void> {
  const source = namespace.macOf(FABRIC_TAP).replaceAll(':', '');
  const to = { destination: 'ffffffffffff', source };
  return sendFrames(namespace, FABRIC_TAP, [ethernetFrame(to, [ETHER_TYPE], FRAME_BYTES)(markerOf(index))]);
}

function markerOf(index: number): string {
  return `${MARKER}${index.toString(16).padStart(2, '0')}`;
}
