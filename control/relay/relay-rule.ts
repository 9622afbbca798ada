/**
 * A rule of `relay.allow` and `relay.deny`: which neighbour may have which segment carried.
 *
 *   *                       every neighbour, every segment
 *   12D3Koo…                this neighbour, every segment
 *   segment:<32 hex>        every neighbour, this segment
 *   12D3Koo…/segment:<32 hex>
 *
 * Pure. A segment's name tells nothing of its VLAN, and is another one with each epoch.
 */
import { publicKeyOfPeerId } from '../identity/peer-id.ts';

/** Undefined means any. */
export interface RelayRule {
  readonly peer: string | undefined;
  /** 32 hexadecimal digits, in lower case. */
  readonly segment: string | undefined;
}

const SEGMENT_PREFIX = 'segment:';
const SEGMENT_FORM = /^[0-9a-f]{32}$/;

/** @returns undefined for a text that is no rule */
export function parseRelayRule(text: string): RelayRule | undefined {
  if (text === '*') {
    return { peer: undefined, segment: undefined };
  }
  const at = text.indexOf(SEGMENT_PREFIX);
  const peer = at < 0 ? text : text.slice(0, at).replace(/\/$/, '');
  const segment = at < 0 ? undefined : text.slice(at + SEGMENT_PREFIX.length);
  const rule = { peer: peer === '' ? undefined : peer, segment };
  return formatRelayRule(rule) === text && isWellFormed(rule) ? rule : undefined;
}

/** What is wrong with a rule, as a sentence; undefined when nothing is. */
export function relayRuleProblem(text: string): string | undefined {
  if (parseRelayRule(text) !== undefined) {
    return undefined;
  }
  const shown = `'${text.slice(0, 120)}'`;
  const at = text.indexOf(SEGMENT_PREFIX);
  if (at < 0) {
    return `expected *, a PeerId, segment:ID or PEERID/segment:ID, got ${shown}`;
  }
  return SEGMENT_FORM.test(text.slice(at + SEGMENT_PREFIX.length))
    ? `expected nothing or PEERID/ before segment:, got ${shown}`
    : `expected 32 digits of 0-9 and a-f after segment:, got ${shown}`;
}

function formatRelayRule({ peer, segment }: RelayRule): string {
  const parts = [peer, segment === undefined ? undefined : `${SEGMENT_PREFIX}${segment}`];
  return parts.filter((part) => part !== undefined).join('/');
}

function isWellFormed({ peer, segment }: RelayRule): boolean {
  const isPeer = peer === undefined || publicKeyOfPeerId(peer) !== undefined;
  const isSegment = segment === undefined || SEGMENT_FORM.test(segment);
  return isPeer && isSegment && (peer !== undefined || segment !== undefined);
}
