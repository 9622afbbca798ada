/** Fuzzing entry for invites: any text, and any bytes in the form that an invite has. */
import { encodeBase32 } from '../../control/vlan/base32.ts';
import { hash128 } from '../../control/vlan/hash.ts';
import { formatInvite, INVITE_PREFIX, parseInvite } from '../../control/vlan/invite.ts';

const PREFIX = new TextEncoder().encode(INVITE_PREFIX);

/** Must not throw; what is read must be written as it was. */
export function fuzz(bytes: Uint8Array): void {
  parseInvite(Buffer.from(bytes).toString('latin1'));
  parseInvite(INVITE_PREFIX + encodeBase32(bytes));
  const text = INVITE_PREFIX + encodeBase32(framed(bytes));
  const parsed = parseInvite(text);
  if (parsed.ok && formatInvite(parsed.invite) !== text) throw new Error('an invite has two spellings');
}

/** With the length and the checksum that the bytes need to get through to the fields. */
function framed(body: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(body.length + 6);
  new DataView(bytes.buffer).setUint16(0, bytes.length, true);
  bytes.set(body, 2);
  bytes.set(hash128(PREFIX, bytes.subarray(0, -4)).subarray(0, 4), bytes.length - 4);
  return bytes;
}
