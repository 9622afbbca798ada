/**
 * Who is asked for a sign of life and when: warm peers, which have no trunk.
 *
 * One small question each `heartbeatIntervalMs`; a peer that does not answer is asked ever more seldom. Main thread, pure.
 */
import { addressesOf, type Candidate } from './candidates.ts';
import type { DiscoveryConfig } from './discovery-config.ts';
import type { HeartbeatEffect } from './discovery-port.ts';

/** When it is, and chance. */
export interface HeartbeatContext {
  readonly config: DiscoveryConfig;
  readonly nowMs: number;
  /** 0‥1. */
  readonly random: () => number;
}

/** @returns the questions that are due to those who are warm */
export function dueHeartbeats(
  warm: Iterable<Candidate>,
  { config, nowMs, random }: HeartbeatContext,
): HeartbeatEffect[] {
  const due: HeartbeatEffect[] = [];
  for (const candidate of warm) {
    if (!candidate.isAsked && candidate.heartbeatAtMs <= nowMs) {
      candidate.isAsked = true;
      candidate.heartbeatAtMs = nowMs + config.heartbeatIntervalMs * (0.9 + random() / 5);
      const addresses = addressesOf(candidate, config.addressesMax);
      due.push({ kind: 'heartbeat', peer: candidate.peer, addresses });
    }
  }
  return due;
}

/** A warm peer has answered: whatever named it was right. */
export function heartbeatAnswered(
  candidate: Candidate,
  answer: { readonly rttMs: number; readonly load: number },
  nowMs: number,
): void {
  candidate.isAsked = false;
  candidate.failures = Math.max(0, candidate.failures - 1);
  candidate.rttMs = answer.rttMs;
  candidate.load = answer.load;
  for (const sighting of candidate.sources.values()) {
    sighting.seenMs = nowMs;
  }
}

/** A warm peer has not answered. */
export function heartbeatFailed(candidate: Candidate, { config, nowMs, random }: HeartbeatContext): void {
  candidate.isAsked = false;
  candidate.failures += 1;
  const { heartbeatIntervalMs, retryMaxMs } = config;
  const delayMs = Math.min(
    Math.max(retryMaxMs, heartbeatIntervalMs),
    heartbeatIntervalMs * 2 ** Math.min(candidate.failures, 20),
  );
  candidate.heartbeatAtMs = nowMs + delayMs * (0.75 + random() / 2);
}
