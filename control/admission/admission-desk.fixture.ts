/** A desk with a disk, a clock, and what it last did, for tests. */
import assert from 'node:assert/strict';
import { NOW_MS, nodeOf, signedOf } from '../vlan/record.fixture.ts';
import type { VlanRecord } from '../vlan/vlan-record.ts';
import { AdmissionDesk } from './admission-desk.ts';
import { AdmissionError } from './admission-error.ts';
import {
  type AdmissionMessage,
  type AnswerMessage,
  decodeAdmissionMessage,
  encodeAdmissionMessage,
} from './admission-message.ts';
import type { DeskEffect, DeskSituation } from './desk-port.ts';

export const ADMIN = nodeOf(1);
export const GUEST = nodeOf(2).id;
export const SECRET = new Uint8Array(16).fill(7);
export const PACKAGE = new Uint8Array(300).fill(1);

export function situationOf(
  changes: Partial<VlanRecord> = {},
  more: Partial<DeskSituation> = {},
): DeskSituation {
  return {
    record: signedOf(1, changes),
    members: new Set([ADMIN.id]),
    tombstones: new Map<string, number>(),
    ...more,
  };
}

/** A desk with a disk, a clock, and what it last did. */
export class Office {
  nowMs = NOW_MS;
  disk: Uint8Array | undefined;
  situation: DeskSituation;
  desk: AdmissionDesk;
  readonly #self: string;

  constructor(situation = situationOf(), self = ADMIN.id) {
    this.#self = self;
    this.situation = situation;
    this.desk = this.#open();
  }

  restart(): void {
    this.desk = this.#open();
  }

  hear(peer: string, message: AdmissionMessage): readonly DeskEffect[] {
    return this.take(
      this.desk.handle({ kind: 'message', peer, bytes: encodeAdmissionMessage(message) }, this.nowMs),
    );
  }

  take(effects: readonly DeskEffect[]): readonly DeskEffect[] {
    for (const effect of effects) if (effect.kind === 'save') this.disk = effect.bytes;
    return effects;
  }

  issue(uses = 1, expiresAtMs: number | null = null): void {
    this.take(this.desk.issue({ secret: SECRET, uses, expiresAtMs }, this.nowMs));
  }

  situate(more: Partial<DeskSituation>): void {
    this.situation = { ...this.situation, ...more };
    this.take(this.desk.handle({ kind: 'situation', situation: this.situation }, this.nowMs));
  }

  #open(): AdmissionDesk {
    const options = {
      self: this.#self,
      vlanId: this.situation.record.idBytes,
      sign: ADMIN.sign,
      addressesOf: (peer: string) => (peer === ADMIN.id ? ['/ip4/192.0.2.1/tcp/7946'] : []),
    };
    return new AdmissionDesk(options, this.situation, this.disk);
  }
}

export function join(more: { secret?: Uint8Array; keyPackage?: Uint8Array } = {}): AdmissionMessage {
  return { type: 'join', note: 'laptop', keyPackage: PACKAGE, ...more };
}

export function kinds(effects: readonly DeskEffect[]): readonly string[] {
  return effects.map(({ kind }) => kind);
}

export function answerIn(effects: readonly DeskEffect[]): AnswerMessage {
  for (const effect of effects) {
    const message = effect.kind === 'send' ? decodeAdmissionMessage(effect.bytes) : undefined;
    if (message?.type === 'answer') return message;
  }
  return assert.fail('no answer');
}

export function codeOf(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    assert.ok(error instanceof AdmissionError, String(error));
    return error.code;
  }
  return 'none';
}
