/** Fuzzing entry point: the trunk messages' decoder returns for every input, and what it accepts encodes again. */
import { decodeTrunkMessage, encodeTrunkMessage } from '../../control/trunk/messages/trunk-messages.ts';

export function fuzz(bytes: Uint8Array): void {
  const first = decodeTrunkMessage(bytes);
  if (!first.ok) {
    return;
  }
  const second = decodeTrunkMessage(encodeTrunkMessage(first.message));
  if (!second.ok) {
    throw new Error(`accepted, but its own encoding is not: ${second.detail}`);
  }
}
