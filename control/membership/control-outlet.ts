/**
 * Signs, numbers and seals what this node says to the other members.
 *
 * Main thread. Its lane is 255, with a salt of its own for each epoch; the seal's key also depends on 16
 * random bytes for each datagram, so even a repeated counter would repeat no key.
 *
 * @see docs/protocol.md, "Membership"
 */
import { controlToken } from '../token/token.ts';
import { livePeriods } from '../token/token-period.ts';
import { CONTROL_NONCE_BYTES, sealControl } from './control-seal.ts';
import type { Epoch, EpochId } from './epoch.ts';
import { encodeMessage, type MemberMessage, type MessageHeader } from './member-message.ts';
import type { MembershipPorts, SendControl } from './membership-port.ts';
import { MAIN_LANE, SALT_BYTES } from './sender-field.ts';

/** The class of control datagrams: network control, above all payload (IEEE 802.1Q-2018 table 6-14). */
const CONTROL_CLASS = 7;

/** A message without its header, which the outlet fills in. */
export type Unaddressed = MemberMessage extends infer Message
  ? Message extends MessageHeader
    ? Omit<Message, keyof MessageHeader>
    : never
  : never;

/** What says things in one VLAN; see the file's head. */
export class ControlOutlet {
  readonly #ports: MembershipPorts;
  readonly #vlanId: Uint8Array;
  readonly #publicKey: Uint8Array;
  readonly #incarnation: number;
  readonly #periodSeconds: number;
  readonly #lanes = new Map<number, { readonly salt: Uint8Array; counter: number }>();
  #sequence: number;

  constructor(options: {
    readonly ports: MembershipPorts;
    readonly vlanId: Uint8Array;
    readonly publicKey: Uint8Array;
    readonly tokenPeriodSeconds: number;
    /** Unix time of this start in milliseconds. */
    readonly incarnation: number;
  }) {
    this.#ports = options.ports;
    this.#vlanId = options.vlanId;
    this.#publicKey = options.publicKey;
    this.#periodSeconds = options.tokenPeriodSeconds;
    this.#incarnation = options.incarnation;
    this.#sequence = options.incarnation;
  }

  get incarnation(): number {
    return this.#incarnation;
  }

  /** The number of the next message, or of all parts of the next announcement. */
  nextSequence(): number {
    this.#sequence += 1;
    return this.#sequence;
  }

  /** Signs and seals one message under an epoch's control token of the current period. */
  say(epoch: Epoch, unixMs: number, sequence: number, message: Unaddressed): SendControl {
    const header = { publicKey: this.#publicKey, incarnation: this.#incarnation, sequence };
    const context = { vlanId: this.#vlanId, epochTag: epoch.tag };
    const body = encodeMessage({ ...header, ...message }, context, (bytes) => this.#ports.sign(bytes));
    const lane = this.#laneOf(epoch.id);
    const payload = sealControl(epoch, {
      token: controlToken(epoch, this.#periodOf(epoch, unixMs)),
      sender: { leaf: epoch.ownLeaf, lane: MAIN_LANE, salt: lane.salt },
      counter: lane.counter++,
      nonce: this.#ports.randomBytes(CONTROL_NONCE_BYTES),
      class: CONTROL_CLASS,
      body,
    });
    return { kind: 'send-control', payload, class: CONTROL_CLASS };
  }

  /** Forgets the lane of an epoch that is over. */
  forgetEpoch(epoch: EpochId): void {
    this.#lanes.delete(epoch);
  }

  /** The current period, or the nearest of the epoch's own: an open epoch is announced before its day starts. */
  #periodOf(epoch: Epoch, unixMs: number): number {
    const { previous, current, next } = livePeriods(unixMs, this.#periodSeconds);
    if (epoch.day === undefined) {
      return current.period;
    }
    const own = [current, next, previous].find((candidate) => candidate.day === epoch.day);
    return (own ?? current).period;
  }

  #laneOf(epoch: EpochId): { readonly salt: Uint8Array; counter: number } {
    let lane = this.#lanes.get(epoch);
    if (lane === undefined) {
      lane = { salt: Uint8Array.from(this.#ports.randomBytes(SALT_BYTES)), counter: 0 };
      this.#lanes.set(epoch, lane);
    }
    return lane;
  }
}
