/**
 * The vectors of forwarding tokens with the secrets of their epochs, for tests of what derives tokens. Tests only.
 */

import { readFileSync } from 'node:fs';
import { forwardingToken } from '../../control/token/token.ts';
import { deriveOpenEpoch, type OpenEpoch } from '../../control/vlan/open-epoch.ts';

/** A station's and broadcast's token in one epoch and period; bytes in hexadecimal. */
export interface TokenVector {
  readonly vlanId: string;
  readonly day: number;
  readonly period: number;
  readonly mac: string;
  readonly stationToken: string;
  readonly broadcastToken: string;
  /** r of a group with the station's address. */
  readonly multicastRoute: string;
}

/** test/vectors/tokens.json. */
export function tokenVectors(): readonly TokenVector[] {
  const file = new URL('../vectors/tokens.json', import.meta.url);
  return JSON.parse(readFileSync(file, 'utf8')) as readonly TokenVector[];
}

/** The secrets of a vector's epoch. */
export function secretsOf({ vlanId, day }: Pick<TokenVector, 'vlanId' | 'day'>): OpenEpoch {
  return deriveOpenEpoch(Buffer.from(vlanId, 'hex'), day);
}

/** The token of a vector's group, in hexadecimal. */
export function groupTokenOf(vector: TokenVector): string {
  const route = Buffer.from(vector.multicastRoute, 'hex');
  return Buffer.from(forwardingToken(secretsOf(vector).segment.id, route)).toString('hex');
}
