/**
 * Puts announcements together: how many parts, and what goes into which.
 *
 * Each part names all lanes and our challenge; addresses and answers fill the rest, first come, first placed.
 *
 * Main thread; pure.
 */
import {
  type AnnouncedLane,
  announceRoomBytes,
  CHALLENGE_BYTES,
  MAC_BYTES,
  MESSAGE_LIMIT,
} from './member-message.ts';

const MAX_LIST_LENGTH = 255;

/** What one part carries. */
export interface AnnouncePart {
  readonly macs: readonly Uint8Array[];
  readonly answers: readonly Uint8Array[];
}

/**
 * Splits addresses and answers over as few datagrams as they need; at least one.
 *
 * @returns at most MESSAGE_LIMIT.parts parts; answers that find no room are left for the next announcement
 */
export function splitAnnouncement(
  lanes: readonly AnnouncedLane[],
  macs: readonly Uint8Array[],
  answers: readonly Uint8Array[],
): readonly AnnouncePart[] {
  const roomBytes = announceRoomBytes(lanes.length);
  const parts: AnnouncePart[] = [];
  let macAt = 0;
  let answerAt = 0;
  do {
    const macCount = Math.min(macs.length - macAt, Math.floor(roomBytes / MAC_BYTES), MAX_LIST_LENGTH);
    const leftBytes = roomBytes - macCount * MAC_BYTES;
    const answerCount = Math.min(
      answers.length - answerAt,
      Math.floor(leftBytes / CHALLENGE_BYTES),
      MAX_LIST_LENGTH,
    );
    parts.push({
      macs: macs.slice(macAt, macAt + macCount),
      answers: answers.slice(answerAt, answerAt + answerCount),
    });
    macAt += macCount;
    answerAt += answerCount;
  } while ((macAt < macs.length || answerAt < answers.length) && parts.length < MESSAGE_LIMIT.parts);
  return parts;
}
