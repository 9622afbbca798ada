/**
 * How a worker's scratch region is divided. Worker threads; pure data. Nothing in it outlives the stage that wrote
 * it, but for the endpoint and body that the graph lays down for Engine.sendLink.
 *
 *   │ endpoint 48 │ body 66,000 … │ nonce 16 │ AAD 48 │ tweaks 16 KiB │ blocks 16 KiB │
 */
import { ARENA } from './memory-map.ts';

/** AES blocks that go through one call. */
export const BLOCKS_AT_ONCE = 1024;
export const BLOCK_BYTES = 16;

/** Byte offsets in the arena. */
export const SCRATCH = {
  /** Endpoint of a probe to be sent (contract/ring-message.ts). */
  endpoint: ARENA.scratch,
  /** Its plaintext body; also a UDP datagram on its way to being fragmented. */
  body: ARENA.scratch + 48,
  /** The AEAD's nonce, 12 bytes. */
  nonce: ARENA.scratch + 66_048,
  /** Where OpenSSL writes how much it put out, 4 bytes. */
  outLength: ARENA.scratch + 66_060,
  /** The AEAD's associated data, at most 48 bytes. */
  aad: ARENA.scratch + 66_064,
  /** T of protocol section 3, one block a datagram. */
  tweaks: ARENA.scratch + 66_112,
  /** Blocks on their way through AES. */
  blocks: ARENA.scratch + 66_112 + BLOCKS_AT_ONCE * BLOCK_BYTES,
} as const;
