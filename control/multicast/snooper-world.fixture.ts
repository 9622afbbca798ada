/**
 * A snooping machine on virtual time, with what it wants and what it has asked.
 *
 * Tests only.
 */
import assert from 'node:assert/strict';
import { decodeFrame } from './multicast-codec.ts';
import { hex, MODE, macOf, report, TAP_MAC } from './multicast-frames.fixture.ts';
import type { Query } from './multicast-message.ts';
import { MulticastSnooper, type SnoopEffect } from './multicast-snooper.ts';

/** Robustness 2 × 125 s + 10 s, and what the machine may take to say it. */
export const MEMBERSHIP_MS = 260_000;
export const LAST_MEMBER_MS = 2_000;
export const BATCH_MS = 100;

interface Asked {
  readonly atMs: number;
  readonly query: Query;
  readonly tags: string;
  readonly family: number;
}

/** A machine on virtual time. */
export class World {
  nowMs = 1_000;
  readonly snooper = new MulticastSnooper(TAP_MAC, this.nowMs);
  macs: readonly string[] = [];
  allGroups = false;
  told = 0;
  asked: Asked[] = [];

  constructor() {
    this.run(0);
  }

  hear(...frames: readonly Uint8Array[]): void {
    for (const frame of frames) this.#take(this.snooper.handle({ kind: 'frame', frame }, this.nowMs));
    this.run(BATCH_MS);
  }

  /** Lets time pass, from one timeout to the next. */
  run(durationMs: number): void {
    const endMs = this.nowMs + durationMs;
    for (let steps = 0; this.snooper.nextTimeoutMs() <= endMs; steps++) {
      assert.ok(steps < 10_000, 'timeouts go on without end');
      this.nowMs = Math.max(this.nowMs, this.snooper.nextTimeoutMs());
      this.#take(this.snooper.handle({ kind: 'tick' }, this.nowMs));
    }
    this.nowMs = endMs;
  }

  wants(group: string): boolean {
    return this.macs.includes(macOf(group));
  }

  #take(effects: readonly SnoopEffect[]): void {
    for (const effect of effects) {
      if (effect.kind === 'groups') {
        this.macs = effect.macs.map(hex);
        this.allGroups = effect.allGroups;
        this.told++;
        continue;
      }
      const decoded = decodeFrame(effect.frame);
      assert.ok(typeof decoded !== 'string' && decoded.message.kind === 'query');
      const { tags, family } = decoded.packet;
      this.asked.push({ atMs: this.nowMs, query: decoded.message, tags: hex(tags), family });
    }
  }
}

/** A join by the newest version. */
export const joined = (group: string, ...sources: string[]): Uint8Array =>
  report([sources.length === 0 ? { mode: MODE.toEx, group } : { mode: MODE.allow, group, sources }]);
/** A report of one record. */
export const record = (mode: number, group: string, ...sources: string[]): Uint8Array =>
  report([{ mode, group, sources }]);
