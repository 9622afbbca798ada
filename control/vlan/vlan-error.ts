/**
 * What can go wrong with the VLANs of this node, in words for the person who runs it.
 *
 * Main thread only.
 */

/** Why a VLAN could not be created, joined, left, loaded or stored. */
export type VlanErrorCode =
  | 'already-joined'
  | 'interface-taken'
  | 'invalid-invite'
  | 'invalid-name'
  | 'invalid-setting'
  | 'not-a-member'
  | 'not-owner'
  | 'state-corrupt'
  | 'state-unreadable'
  | 'state-unwritable'
  | 'too-many-vlans';

/** An operating error of the VLAN registry; `message` is a sentence that says what to do. */
export class VlanError extends Error {
  override readonly name = 'VlanError';
  readonly code: VlanErrorCode;
  readonly details: Readonly<Record<string, string | number>>;

  constructor(
    code: VlanErrorCode,
    message: string,
    options: { details?: Readonly<Record<string, string | number>>; cause?: unknown } = {},
  ) {
    super(message, { cause: options.cause });
    this.code = code;
    this.details = options.details ?? {};
  }
}
