/**
 * Members that only announce themselves, for tests of one machine among hundreds: a whole machine for each would take
 * minutes.
 *
 * Tests only.
 */
import assert from 'node:assert/strict';
import { sign } from 'node:crypto';
import { epochTag } from '../vlan/epoch-keys.ts';
import { privateKeyFromRaw, rawPublicKey } from '../vlan/raw-keys.ts';
import { ControlOutlet } from './control-outlet.ts';
import { openControl } from './control-seal.ts';
import type { Epoch } from './epoch.ts';
import type { SimState } from './group.fixture.ts';
import { GroupRosters } from './group-progress.ts';
import { type Announce, decodeMessage } from './member-message.ts';
import { SeededRandom } from './membership-fixture.ts';
import type { ControlInput, MembershipEffect, MembershipPorts } from './membership-port.ts';
import { createKeyAgreement } from './node-ports.ts';
import { receiptFor } from './receipt.ts';
import { keyText } from './roster.ts';

const TOKEN_PERIOD_SECONDS = 3_600;
const CLASS = 7;

/** One member that announces two workers' lanes, and one station. */
export class Puppet {
  readonly publicKey: Uint8Array;
  readonly #vlanId: Uint8Array;
  readonly #random: SeededRandom;
  readonly #agreementKey: Uint8Array;
  readonly #outlet: ControlOutlet;
  readonly #mac: Uint8Array;

  constructor(name: string, vlanId: Uint8Array, index: number) {
    const key = privateKeyFromRaw('ed25519', new SeededRandom(`node ${name}`).bytes(32));
    this.publicKey = rawPublicKey(key);
    this.#vlanId = vlanId;
    this.#random = new SeededRandom(`puppet ${name}`);
    this.#agreementKey = createKeyAgreement(this.#random.bytes(32)).publicKey;
    this.#mac = Uint8Array.of(2, 7, 0, 0, index >> 8, index & 255);
    const ports = {
      sign: (bytes: Uint8Array) => new Uint8Array(sign(null, bytes, key)),
      randomBytes: (count: number) => this.#random.bytes(count),
    } as MembershipPorts;
    this.#outlet = new ControlOutlet({
      ports,
      vlanId,
      publicKey: this.publicKey,
      tokenPeriodSeconds: TOKEN_PERIOD_SECONDS,
      incarnation: 1,
    });
  }

  /** What it says in a state's epoch to one machine: an answer to its challenge, and a receipt for its lanes. */
  announce(epoch: Epoch, to: Announce, unixMs: number): Uint8Array {
    const receipt = receiptFor(epoch, { giver: this.publicKey, receiver: to.publicKey, lanes: to.lanes });
    const lanes = [0, 1].map((lane) => ({ lane, salt: this.#random.bytes(6), counter: 0 }));
    const leaf = epoch.roster?.get(keyText(this.publicKey)) ?? 0;
    const own = { ...epoch, ownLeaf: leaf };
    const { payload } = this.#outlet.say(own, unixMs, this.#outlet.nextSequence(), {
      type: 'announce',
      leaf,
      agreementKey: this.#agreementKey,
      challenge: this.#random.bytes(16),
      part: 0,
      parts: 1,
      lanes,
      macs: [this.#mac],
      answers: [to.challenge, receipt],
    });
    return payload;
  }

  /** Reads what the machine said last in an epoch. */
  hear(epoch: Epoch, effects: readonly MembershipEffect[]): Announce | undefined {
    for (const effect of [...effects].reverse()) {
      const opened =
        effect.kind === 'send-control'
          ? openControl(epoch, effect.payload, { kind: 3, flags: 0, class: CLASS })
          : undefined;
      const decoded =
        opened === undefined
          ? undefined
          : decodeMessage(opened.body, { vlanId: this.#vlanId, epochTag: epoch.tag });
      if (decoded?.ok === true && decoded.message.type === 'announce') {
        return decoded.message;
      }
    }
    return undefined;
  }
}

/** A control datagram as the data plane hands it on. */
export function controlInput(epoch: number, payload: Uint8Array): ControlInput {
  return { kind: 'control', epoch, control: { kind: 3, flags: 0, class: CLASS }, payload };
}

/** The epoch that a machine makes of a state, under the machine's id for it. */
export function epochOf(state: SimState, id: number, peerOf: (name: string) => string): Epoch {
  const members = [...state.leaves].map(([name, leaf]) => ({ leaf, peer: peerOf(name) }));
  assert.ok(members.length > 0);
  return new GroupRosters().epochOf(
    {
      id: '',
      epoch: state.epoch,
      secret: state.secret,
      tag: epochTag(state.secret),
      ownLeaf: -1,
      members,
      policy: new Uint8Array(0),
    },
    id,
  );
}
