/**
 * Seals and opens the echoes (kind 4) of one VLAN, as membership/control-outlet.ts does its control datagrams.
 *
 *   payload:  token 16 │ sender, masked 16 │ r 16 │ ciphertext │ tag 16        key with the label "echo"
 *
 * Each epoch has a lane of its own, of the main thread: a fresh salt, and a counter that never outlives it. The key also
 * depends on r, so even a repeated counter would repeat no key. Who is in the epoch can seal as anybody in it: an echo
 * proves that a member answered, not which one.
 *
 * Main thread. Must never throw for what came from a peer.
 */
import { KIND_ECHO } from '../../dataplane/shm/layout.ts';
import {
  CONTROL_NONCE_BYTES,
  openAs,
  type SealForm,
  type SealHeader,
  sealAs,
} from '../membership/control-seal.ts';
import type { Epoch, EpochId } from '../membership/epoch.ts';
import { MAIN_LANE, SALT_BYTES } from '../membership/sender-field.ts';
import { MAX_ECHO_BODY_BYTES } from './echo-message.ts';

/** Best effort, as the traffic whose path it tries. */
export const ECHO_CLASS = 0;

const ECHO_FORM: SealForm = { kind: KIND_ECHO, seal: 'echo', bodyLimitBytes: MAX_ECHO_BODY_BYTES };
/** An open VLAN has three days at most, a private one a few commits; an older lane would be drawn anew. */
const MAX_LANES = 8;

/** What of an epoch is needed. */
export type EchoEpoch = Pick<Epoch, 'id' | 'ownLeaf' | 'controlKey' | 'maskKey'>;

/** See the file's head. */
export class EchoOutlet {
  readonly #randomBytes: (count: number) => Uint8Array;
  readonly #lanes = new Map<EpochId, { readonly salt: Uint8Array; counter: number }>();

  constructor(randomBytes: (count: number) => Uint8Array) {
    this.#randomBytes = randomBytes;
  }

  /**
   * Seals one echo.
   *
   * @param epoch - under which its destination opens
   * @param token - of the station that it goes to
   * @returns token ‖ masked sender ‖ r ‖ ciphertext ‖ tag, for class {@link ECHO_CLASS} and flags 0
   */
  seal(epoch: EchoEpoch, token: Uint8Array, body: Uint8Array): Uint8Array {
    const lane = this.#laneOf(epoch.id);
    return sealAs(ECHO_FORM, epoch, {
      token,
      sender: { leaf: epoch.ownLeaf, lane: MAIN_LANE, salt: lane.salt },
      counter: lane.counter++,
      nonce: this.#randomBytes(CONTROL_NONCE_BYTES),
      class: ECHO_CLASS,
      body,
    });
  }

  #laneOf(epoch: EpochId): { readonly salt: Uint8Array; counter: number } {
    const known = this.#lanes.get(epoch);
    if (known !== undefined) return known;
    const lane = { salt: Uint8Array.from(this.#randomBytes(SALT_BYTES)), counter: 0 };
    this.#lanes.set(epoch, lane);
    const [oldest] = this.#lanes.keys();
    if (this.#lanes.size > MAX_LANES && oldest !== undefined) this.#lanes.delete(oldest);
    return lane;
  }
}

/**
 * Opens one echo.
 *
 * @param epoch - the one that its token named
 * @param payload - as a worker passed it on
 * @returns undefined when it was not sealed so
 */
export function openEcho(
  epoch: Pick<EchoEpoch, 'controlKey' | 'maskKey'>,
  payload: Uint8Array,
  header: SealHeader,
): { readonly leaf: number; readonly body: Uint8Array } | undefined {
  const opened = openAs(ECHO_FORM, epoch, payload, header);
  return opened === undefined ? undefined : { leaf: opened.sender.leaf, body: opened.body };
}
