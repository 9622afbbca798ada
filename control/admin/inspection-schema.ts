/**
 * The bodies of the requests that look inside a node, and the reason for each limit.
 *
 * Main thread; pure but for libraries. Made of the same parts as the config's schema, so both give the same messages.
 */
import * as v from 'valibot';
import { checkedText, flag, integer, oneOf, section, vlanIdSchema } from '../config/schema-parts.ts';
import { publicKeyOfPeerId } from '../identity/peer-id.ts';
import { MAC_TEXT } from '../vlan/mac-text.ts';
import { LOG_LEVELS, SUBSYSTEMS } from './inspection.ts';

/** The limits of the requests; the command has the same. */
export const INSPECTION_LIMIT = {
  /** A week of one a second. */
  pings: 604_800,
  /** A member answers a hundred a second. */
  leastIntervalMs: 10,
  mostIntervalMs: 3_600_000,
  /** Headers, seal and question of an echo, without any padding. */
  leastSizeBytes: 112,
  /** A jumbo frame's datagram. */
  mostSizeBytes: 9_216,
  leastTimeoutMs: 10,
  /** Nobody waits longer for one answer. */
  mostTimeoutMs: 60_000,
  frames: 2 ** 31,
  /** A day. */
  captureSeconds: 86_400,
  /** An Ethernet header, and a little. */
  leastSnapBytes: 16,
  /** A whole super-frame, with its Ethernet header and two tags. */
  mostSnapBytes: 65_568,
} as const;

const MAX_NAME_CHARACTERS = 64;

const targetSchema = checkedText('a PeerId or a MAC address', (text) =>
  MAC_TEXT.test(text) || publicKeyOfPeerId(text) !== undefined
    ? undefined
    : `expected a PeerId of 52 characters (12D3KooW…) or a MAC address as 02:00:00:00:00:01, got '${text.slice(0, 64)}'`,
);

const timeoutMs = integer(INSPECTION_LIMIT.leastTimeoutMs, INSPECTION_LIMIT.mostTimeoutMs);

const nameSchema = checkedText('a name', (text) =>
  text.length <= MAX_NAME_CHARACTERS && /^[\w-]+$/.test(text)
    ? undefined
    : `expected 1..${MAX_NAME_CHARACTERS} letters, digits, - and _`,
);

/** `POST /v1/ping`. */
export const pingRequestSchema = section({
  vlan: vlanIdSchema,
  target: targetSchema,
  count: v.optional(integer(0, INSPECTION_LIMIT.pings), 5),
  intervalMs: v.optional(integer(INSPECTION_LIMIT.leastIntervalMs, INSPECTION_LIMIT.mostIntervalMs), 1000),
  sizeBytes: v.optional(integer(INSPECTION_LIMIT.leastSizeBytes, INSPECTION_LIMIT.mostSizeBytes), 128),
  timeoutMs: v.optional(timeoutMs, 1000),
  findMtu: v.optional(flag(), false),
});

/** `POST /v1/trace`. */
export const traceRequestSchema = section({
  vlan: vlanIdSchema,
  target: targetSchema,
  timeoutMs: v.optional(timeoutMs, 2000),
});

/** `POST /v1/capture`; `name` is for `POST /v1/capture/stop`. */
export const captureRequestSchema = section({
  vlan: vlanIdSchema,
  count: v.optional(integer(0, INSPECTION_LIMIT.frames), 0),
  seconds: v.optional(integer(0, INSPECTION_LIMIT.captureSeconds), 0),
  snapBytes: v.optional(
    integer(INSPECTION_LIMIT.leastSnapBytes, INSPECTION_LIMIT.mostSnapBytes),
    INSPECTION_LIMIT.mostSnapBytes,
  ),
  name: v.exactOptional(nameSchema),
});

/** `POST /v1/capture/stop`. */
export const captureStopSchema = section({ name: nameSchema });

const levelSchema = oneOf([...LOG_LEVELS, 'default']);

/** `POST /v1/debug`. */
export const debugRequestSchema = section({
  levels: section(
    Object.fromEntries(SUBSYSTEMS.map((name) => [name, v.exactOptional(levelSchema)] as const)) as Record<
      (typeof SUBSYSTEMS)[number],
      v.ExactOptionalSchema<typeof levelSchema, undefined>
    >,
  ),
});
