/**
 * The messages of a heartbeat stream, `/peertap/presence/1.0.0`, ten bytes each.
 *
 *   0  kind u8   1 question, 2 answer
 *   1  load u8   how many of the sender's trunks are taken, 0‥255
 *   2  nonce 8   the question's, sent back
 *
 * Main thread, pure. Must never throw for bytes that came from a peer.
 *
 * @see docs/protocol.md, "Directory and discovery"
 */

/** The protocol's name on libp2p connections. */
export const HEARTBEAT_PROTOCOL = '/peertap/presence/1.0.0';
/** Size of a nonce. */
export const HEARTBEAT_NONCE_BYTES = 8;

const KIND = { question: 1, answer: 2 } as const;
const MESSAGE_BYTES = 2 + HEARTBEAT_NONCE_BYTES;

export interface HeartbeatMessage {
  readonly kind: 'question' | 'answer';
  readonly load: number;
  readonly nonce: Uint8Array;
}

/** Writes a message. */
export function writeHeartbeat({ kind, load, nonce }: HeartbeatMessage): Uint8Array {
  return Uint8Array.from([KIND[kind], load, ...nonce]);
}

/** Reads a message; undefined for what is none. */
export function readHeartbeat(bytes: Uint8Array): HeartbeatMessage | undefined {
  const kind = bytes[0] === KIND.question ? 'question' : 'answer';
  if (bytes.length !== MESSAGE_BYTES || bytes[0] !== KIND[kind]) {
    return undefined;
  }
  return { kind, load: bytes[1] ?? 0, nonce: bytes.slice(2) };
}
