/**
 * Meet tags: how two neighbours find the VLANs that they share, without telling an id (protocol.md section 2).
 *
 * Main thread, pure.
 *
 *   tag(id, direction) = BLAKE3 keyed(derive_key("peertap meet v1", id), u8 direction ‖ transcript)[0‥16]
 *
 * direction 0 is from the initiator, the lower PeerId; the transcript is that of the trunk's first exchange,
 * so tags of one trunk say nothing on another. Padding stays the same through a trunk's life: tags that come
 * and go would stand out from fresh random ones.
 */
import { blake3 } from '@noble/hashes/blake3.js';
import { bytesToHex, concatBytes, utf8ToBytes } from '@noble/hashes/utils.js';
import { MEET_TAG_BYTES, MEET_TAGS_MAX } from './messages/trunk-messages.ts';

const CONTEXT = utf8ToBytes('peertap meet v1');
const PAD_MULTIPLE = 8;

export type MeetDirection = 'from-initiator' | 'from-responder';

/** @param meetKey - what `meetKeyOf` returned @param transcript - the trunk's, 32 bytes @returns 16 bytes */
export function meetTag(meetKey: Uint8Array, direction: MeetDirection, transcript: Uint8Array): Uint8Array {
  const input = concatBytes(Uint8Array.of(direction === 'from-initiator' ? 0 : 1), transcript);
  return blake3(input, { key: meetKey, dkLen: MEET_TAG_BYTES });
}

/** @param vlanId - 16 bytes @returns the VLAN's 32-byte meet key */
export function meetKeyOf(vlanId: Uint8Array): Uint8Array {
  return blake3(vlanId, { context: CONTEXT });
}

/**
 * The tags to send: one for each VLAN, padded to a multiple of 8 (at least 8) and sorted, so that order tells nothing.
 *
 * @param pads - this trunk's random tags so far; more are appended here when needed
 */
export function paddedMeetTags(
  tags: readonly Uint8Array[],
  pads: Uint8Array[],
  randomBytes: (sizeBytes: number) => Uint8Array,
): Uint8Array[] {
  const wanted = Math.min(MEET_TAGS_MAX, Math.max(1, Math.ceil(tags.length / PAD_MULTIPLE)) * PAD_MULTIPLE);
  while (pads.length < wanted - tags.length) {
    pads.push(randomBytes(MEET_TAG_BYTES));
  }
  return [...tags, ...pads.slice(0, wanted - tags.length)].sort(compareBytes);
}

/** @returns text by which a tag is found in a set */
export function tagText(tag: Uint8Array): string {
  return bytesToHex(tag);
}

function compareBytes(left: Uint8Array, right: Uint8Array): number {
  const at = left.findIndex((byte, index) => byte !== right[index]);
  return at < 0 ? 0 : (left[at] ?? 0) - (right[at] ?? 0);
}
