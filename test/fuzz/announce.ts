/**
 * Fuzzing entry for what members of a VLAN send: the control seal, then the message inside.
 *
 * The bytes are taken twice: as a sealed datagram from outside, and as a body that a member sealed.
 */
import { openControl } from '../../control/membership/control-seal.ts';
import { decodeMessage } from '../../control/membership/member-message.ts';
import { deriveOpenEpoch } from '../../control/vlan/open-epoch.ts';

const VLAN_ID = new Uint8Array(16);
const epoch = deriveOpenEpoch(VLAN_ID, 20_778);

/** Must neither throw nor accept what was not sealed. */
export function fuzz(bytes: Uint8Array): void {
  if (openControl(epoch, bytes, { kind: 3, flags: 0, class: 7 }) !== undefined) {
    throw new Error('random bytes opened as a control datagram');
  }
  decodeMessage(bytes, { vlanId: VLAN_ID, epochTag: epoch.tag });
}
