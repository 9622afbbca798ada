/**
 * Fuzzing entry for token announcements: the bytes as a message of a neighbour, and as a message with a form that holds.
 */
import { createRoutePorts } from '../../control/token/node-ports.ts';
import { decodeRouteMessage } from '../../control/token/route-message.ts';
import { TokenRoutes } from '../../control/token/token-routes.ts';
import { deriveEpochKeys } from '../../control/vlan/epoch-keys.ts';

const { segment } = deriveEpochKeys(new Uint8Array(32));
const NOW = { nowMs: 1_000, unixMs: 1_778_400_000_000 };
const SIGNED_AT = 4;
/** Up to the routes, and the signature behind them. */
const EMPTY_BYTES = 138;

/** Must neither throw nor take a token that nobody signed. */
export function fuzz(bytes: Uint8Array): void {
  const machine = new TokenRoutes(createRoutePorts());
  machine.handle({ kind: 'want', segment, nonce: new Uint8Array(16), routes: [] }, NOW);
  machine.handle({ kind: 'partners', segmentId: segment.id, peers: ['peer'] }, NOW);
  decodeRouteMessage(bytes);
  machine.handle({ kind: 'message', peer: 'peer', bytes }, NOW);
  machine.handle({ kind: 'message', peer: 'peer', bytes: ofOurs(bytes) }, NOW);
  machine.handle({ kind: 'tick' }, NOW);
  if (machine.live > 0) {
    throw new Error('random bytes passed for a signed announcement');
  }
}

/** An announcement in our own segment: its counts fit its length. */
function ofOurs(bytes: Uint8Array): Uint8Array {
  const message = new Uint8Array(Math.max(bytes.length, EMPTY_BYTES));
  message.set(bytes);
  message[0] = 1;
  message.set(segment.publicKey, SIGNED_AT);
  const view = new DataView(message.buffer);
  const routes = Math.floor((message.length - EMPTY_BYTES) / 16);
  view.setUint16(1, 1_472, true);
  view.setUint16(70, routes, true);
  view.setUint16(72, 0, true);
  return message.slice(0, EMPTY_BYTES + routes * 16);
}
