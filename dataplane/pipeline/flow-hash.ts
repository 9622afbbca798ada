/**
 * A frame's flow as 32 bits, which choose the lane: TCP and UDP by addresses and ports, everything else by MAC
 * addresses and EtherType, so that one flow stays on one lane and in order. Worker threads; pure. The hash need not
 * resist an adversary: who can choose ports can only choose among our own lanes.
 */
import type { FrameView } from '../wire/frame-view.ts';
import { IPV4, IPV6 } from '../wire/frame-view.ts';
import { LE } from './memory.ts';

/**
 * Hashes the parsed frame.
 *
 * @param bytes - the buffer that it was parsed in
 * @returns 32 bits, signed, so that it is no heap object where V8 does not inline the call
 */
export function flowHash(bytes: DataView, frame: FrameView): number {
  if (frame.protocol !== 0) {
    const sourceAt = frame.network + (frame.ipVersion === 4 ? IPV4.source : IPV6.source);
    const addressBytes = frame.ipVersion === 4 ? 8 : 32;
    let hash = frame.protocol;
    for (let byte = 0; byte < addressBytes; byte += 4) hash = mix(hash, bytes.getInt32(sourceAt + byte, LE));
    return finish(mix(hash, bytes.getInt32(frame.transport, LE)));
  }
  let hash = 0;
  for (let byte = 0; byte < 12; byte += 4) hash = mix(hash, bytes.getInt32(frame.offset + byte, LE));
  return finish(mix(hash, frame.etherType));
}

/** The multiplier is 2^32 divided by the golden ratio: its bits are spread evenly. */
function mix(hash: number, word: number): number {
  const mixed = Math.imul(hash ^ word, 0x9e3779b1);
  return mixed ^ (mixed >>> 15);
}

function finish(hash: number): number {
  const mixed = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  return mixed ^ (mixed >>> 13);
}
