/**
 * What a peer says on its control stream, once the bytes have been read: who may say what, and what follows.
 *
 * Main thread, pure. A peer that breaks the rules is told, closed and left alone for a while (peer.ts).
 */
import { markAlive } from './connection-choice.ts';
import { handleHello, handleHelloReply } from './exchange.ts';
import { handleMeet } from './meet.ts';
import {
  type Bye,
  decodeTrunkMessage,
  type RekeyRequest,
  type TrunkMessage,
} from './messages/trunk-messages.ts';
import type { MessageInput } from './network-port.ts';
import {
  dropPending,
  endTrunk,
  failPeer,
  loseStream,
  type Peer,
  type PeerTable,
  penalise,
  want,
} from './peer.ts';
import { handleCandidates } from './punching.ts';
import type { TrunkContext } from './trunk-context.ts';
import type { TrunkErrorCode } from './trunk-port.ts';

/** What a peer says when it has forgotten the trunk, too. */
const TRUNK_ENDS: readonly TrunkErrorCode[] = ['going-away', 'unknown-session', 'not-authorised'];

/** @returns the peer, or undefined when the stream is none that counts (any more) */
export function handleMessage(
  context: TrunkContext,
  table: PeerTable,
  input: MessageInput,
): Peer | undefined {
  const peer = table.streams.get(input.stream)?.peer;
  if (peer?.stream?.id !== input.stream) {
    return undefined;
  }
  markAlive(peer, peer.stream.connection);
  const result = decodeTrunkMessage(input.message);
  if (result.ok) {
    handleDecoded(context, table, peer, result.message, input.message);
  } else {
    context.count(result.code === 'version-mismatch' ? 'versionMismatches' : 'malformedMessages');
    failPeer(context, peer, result.code, result.detail);
  }
  return peer;
}

function handleDecoded(
  context: TrunkContext,
  table: PeerTable,
  peer: Peer,
  message: TrunkMessage,
  encoded: Uint8Array,
): void {
  switch (message.kind) {
    case 'hello':
      handleHello(context, table, peer, message, encoded);
      return;
    case 'hello-reply':
      handleHelloReply(context, peer, message, encoded);
      return;
    case 'meet':
      // Without a trunk it is a straggler of one that was given up: its tags would mean nothing.
      if (peer.trunk !== undefined) {
        handleMeet(context, peer.trunk, message);
      }
      return;
    case 'rekey-request':
      handleRekeyRequest(context, table, peer, message);
      return;
    case 'body':
      if (peer.trunk !== undefined) {
        context.emit({ ...message, trunk: peer.trunk.id, peer: peer.id });
      }
      return;
    case 'candidates':
      handleCandidates(context, peer, message, encoded.length);
      return;
    case 'bye':
      handleBye(context, table, peer, message);
  }
}

function handleRekeyRequest(
  context: TrunkContext,
  table: PeerTable,
  peer: Peer,
  message: RekeyRequest,
): void {
  if (!peer.isInitiator || !table.takeBudget(context, peer)) {
    const code = peer.isInitiator ? 'too-many-handshakes' : 'unexpected-message';
    context.count(peer.isInitiator ? 'handshakesRefused' : 'unexpectedMessages');
    failPeer(context, peer, code, 'a rekey request that is not due');
    return;
  }
  const { trunk } = peer;
  if (trunk !== undefined) {
    const known = message.lanes.filter(({ carrier, lane }) => trunk.slots[carrier][lane] !== undefined);
    want(peer, message.lanes.length === 0 ? 'all' : known);
  }
}

function handleBye(context: TrunkContext, table: PeerTable, peer: Peer, message: Bye): void {
  peer.lastError = `the peer said ${message.code}: ${message.detail}`;
  const isFault = !['going-away', 'unknown-session', 'duplicate-stream'].includes(message.code);
  context.log(isFault ? 'warn' : 'info', `trunk-bye-${message.code}`, peer.lastError, peer.id);
  if (TRUNK_ENDS.includes(message.code)) {
    endTrunk(context, table, peer, message.code);
  }
  if (message.code === 'unknown-session' && peer.isInitiator) {
    dropPending(context, peer);
    peer.wanted = 'all';
    return;
  }
  if (peer.stream !== undefined) {
    context.emit({ kind: 'close-stream', stream: peer.stream.id, abort: false });
  }
  loseStream(context, peer);
  if (isFault) {
    penalise(context, peer);
  }
}
