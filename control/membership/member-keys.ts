/**
 * The frame keys between this node and the members, for one VLAN: which secrets go into which key.
 *
 * Main thread; no I/O.
 *
 * @see docs/protocol.md, "Sealed frame"
 */
import type { Epoch } from './epoch.ts';
import { groupKey, pairwiseKey } from './frame-keys.ts';
import type { KeyAgreement } from './membership-port.ts';
import type { Member } from './roster.ts';
import type { SenderName } from './sender-field.ts';

/** Derives keys on behalf of one node in one VLAN. */
export class MemberKeys {
  readonly #publicKey: Uint8Array;
  readonly #agreement: KeyAgreement;
  readonly #cipher: number;

  constructor(options: {
    readonly publicKey: Uint8Array;
    readonly agreement: KeyAgreement;
    readonly cipher: number;
  }) {
    this.#publicKey = options.publicKey;
    this.#agreement = options.agreement;
    this.#cipher = options.cipher;
  }

  /** Our X25519 key of this start. */
  get agreementKey(): Uint8Array {
    return this.#agreement.publicKey;
  }

  /** Agrees with a member once. @returns false when its key yields nothing secret */
  agree(member: Member): boolean {
    member.shared ??= this.#agreement.agree(member.agreementKey);
    return member.shared !== undefined;
  }

  /** The key of our group-sealed frames under a salt. */
  ownGroupKey(epoch: Epoch, sender: SenderName): Uint8Array {
    return groupKey({
      frameKey: epoch.frameKey,
      cipher: this.#cipher,
      sender,
      senderAgreementKey: this.#agreement.publicKey,
    });
  }

  /** The key of a member's group-sealed frames under one of its salts. */
  groupKeyOf(epoch: Epoch, member: Member, sender: SenderName): Uint8Array {
    return groupKey({
      frameKey: epoch.frameKey,
      cipher: this.#cipher,
      sender,
      senderAgreementKey: member.agreementKey,
    });
  }

  /** The key of our unicast frames to a member, under a salt of ours. */
  pairKeyTo(epoch: Epoch, member: Member, sender: SenderName): Uint8Array {
    return this.#pairKey(epoch, member, { sender, fromUs: true });
  }

  /** The key of a member's unicast frames to us, under a salt of its. */
  pairKeyFrom(epoch: Epoch, member: Member, sender: SenderName): Uint8Array {
    return this.#pairKey(epoch, member, { sender, fromUs: false });
  }

  #pairKey(
    epoch: Epoch,
    member: Member,
    direction: { readonly sender: SenderName; readonly fromUs: boolean },
  ): Uint8Array {
    if (member.shared === undefined) {
      throw new Error(`no key agreement with member ${member.id}`);
    }
    const us = { publicKey: this.#publicKey, agreementKey: this.#agreement.publicKey };
    const them = { publicKey: member.publicKey, agreementKey: member.agreementKey };
    return pairwiseKey({
      shared: member.shared,
      frameKey: epoch.frameKey,
      cipher: this.#cipher,
      from: direction.fromUs ? us : them,
      to: direction.fromUs ? them : us,
      sender: direction.sender,
    });
  }
}
