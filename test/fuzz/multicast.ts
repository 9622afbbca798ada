/**
 * Fuzzing entry for what hosts say of multicast groups: any bytes, and genuine IGMP and MLD messages that the bytes alter,
 * with checksums set right again. The machine takes them, wants no more than its limit, and asks what can be read.
 */

import { decodeFrame } from '../../control/multicast/multicast-codec.ts';
import {
  HOST_V6,
  igmp,
  MODE,
  mld,
  oldReport,
  query,
  report,
  TAP_MAC,
} from '../../control/multicast/multicast-frames.fixture.ts';
import { MulticastSnooper } from '../../control/multicast/multicast-snooper.ts';
import { MULTICAST_LIMIT } from '../../control/multicast/multicast-timing.ts';

const IPV4_MESSAGE_AT = 14 + 24;
const IPV6_MESSAGE_AT = 14 + 48;
const SEEDS: readonly { readonly isSix: boolean; readonly frame: Uint8Array }[] = [
  { isSix: false, frame: report([{ mode: MODE.toIn, group: '239.1.2.3', sources: ['10.0.0.1'] }]) },
  { isSix: false, frame: oldReport('239.1.2.3') },
  { isSix: false, frame: query('0.0.0.0', '10.7.0.1', { sources: ['10.0.0.1'] }) },
  { isSix: true, frame: report([{ mode: MODE.toEx, group: 'ff15::1', sources: ['2001:db8::1'] }]) },
  { isSix: true, frame: oldReport('ff15::1') },
  { isSix: true, frame: query('::', HOST_V6) },
];

let nowMs = 0;
const snooper = new MulticastSnooper(TAP_MAC, nowMs);

/** Bytes 0 and 1 choose a message and where it is altered, or none; 2 is how long it takes until then, in seconds. */
export function fuzz(bytes: Uint8Array): void {
  const [choice = 0, at = 0, seconds = 0] = bytes;
  nowMs += seconds * 1_000;
  for (const frame of [bytes, altered(choice, at, bytes.subarray(3))]) {
    for (const effect of snooper.handle({ kind: 'frame', frame }, nowMs)) check(effect);
  }
  for (let steps = 0; snooper.nextTimeoutMs() <= nowMs; steps++) {
    if (steps > 10) throw new Error('what is due stays due');
    for (const effect of snooper.handle({ kind: 'tick' }, nowMs)) check(effect);
  }
}

function check(effect: ReturnType<MulticastSnooper['handle']>[number]): void {
  if (effect.kind === 'groups') {
    if (effect.macs.length > MULTICAST_LIMIT.groups) throw new Error('more groups than the limit');
    if (effect.macs.some((mac) => mac.length !== 6 || ((mac[0] ?? 0) & 1) === 0)) {
      throw new Error('a group address that is none');
    }
  } else if (typeof decodeFrame(effect.frame) === 'string') {
    throw new Error('it asks what cannot be read');
  }
}

/** The message with bytes exchanged, or longer or shorter than it was. */
function altered(choice: number, at: number, rest: Uint8Array): Uint8Array {
  const seed = SEEDS[choice % SEEDS.length];
  if (seed === undefined) return rest;
  const message = [...seed.frame.subarray(seed.isSix ? IPV6_MESSAGE_AT : IPV4_MESSAGE_AT)];
  if (choice > 128) message.push(...rest.subarray(0, 64));
  for (const [index, byte] of rest.subarray(0, 6).entries()) {
    const place = (at + index * 3) % message.length;
    message[place] = (message[place] ?? 0) ^ byte;
  }
  return seed.isSix ? mld(message) : igmp(message);
}
