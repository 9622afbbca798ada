/**
 * The bodies and queries of the admin API, and the reason for each limit.
 *
 * Main thread; pure but for libraries. Made of the same parts as the config's schema, so both give the same messages.
 */
import * as v from 'valibot';
import {
  attachmentEntries,
  checkedText,
  flag,
  integer,
  inviteSchema,
  section,
  subnetSchema,
  vlanIdSchema,
  vlanNameSchema,
} from '../config/schema-parts.ts';
import { publicKeyOfPeerId } from '../identity/peer-id.ts';

/** A secret that many nodes may use is no secret for long. */
const MAX_INVITE_USES = 1000;
/** Shorter, it may be over before it is used; after a year it should be thought over. */
const MIN_EXPIRY_SECONDS = 60;
const MAX_EXPIRY_SECONDS = 31_536_000;
/** A record has a dozen settings. */
const MAX_CHANGES = 32;
/** An icon is the largest. */
const MAX_SETTING_CHARACTERS = 12_288;
/** A key of 32 bytes takes 52 characters and a prefix. */
const MAX_SWARM_KEY_CHARACTERS = 512;

const peerIdSchema = checkedText('a PeerId', (text) =>
  publicKeyOfPeerId(text) === undefined
    ? `expected a PeerId of 52 characters (12D3KooW…), got '${text.slice(0, 64)}'`
    : undefined,
);

/** `POST /v1/vlans`. */
export const createRequestSchema = section({
  name: vlanNameSchema,
  private: v.optional(flag(), false),
  subnet: v.optional(v.nullable(subnetSchema), null),
});

/** `POST /v1/vlans/join`. */
export const joinRequestSchema = v.pipe(
  section({
    id: v.exactOptional(vlanIdSchema),
    invite: v.exactOptional(inviteSchema),
    ...attachmentEntries,
  }),
  v.check(
    ({ id, invite }) => (id === undefined) !== (invite === undefined),
    'expected either an id or an invite, not both or neither',
  ),
);

/** `POST /v1/vlans/invite`. */
export const inviteRequestSchema = section({
  id: vlanIdSchema,
  uses: v.optional(integer(1, MAX_INVITE_USES), 1),
  expiresSeconds: v.optional(integer(MIN_EXPIRY_SECONDS, MAX_EXPIRY_SECONDS), 86_400),
  oneTimeSecret: v.optional(flag(), true),
});

/** `POST /v1/vlans/leave`, and the queries `?id=…`. */
export const vlanRequestSchema = section({ id: vlanIdSchema });

/** `POST /v1/vlans/approve` and `/v1/vlans/remove`. */
export const peerRequestSchema = section({ id: vlanIdSchema, peer: peerIdSchema });

/** `POST /v1/vlans/set`. */
export const setRequestSchema = section({
  id: vlanIdSchema,
  changes: v.pipe(
    v.record(
      v.string(),
      v.pipe(
        v.string('expected a text'),
        v.maxLength(MAX_SETTING_CHARACTERS, `expected at most ${MAX_SETTING_CHARACTERS} characters`),
      ),
      'expected an object of settings and their values, as text',
    ),
    v.check((changes) => {
      const count = Object.keys(changes).length;
      return count >= 1 && count <= MAX_CHANGES;
    }, `expected 1..${MAX_CHANGES} settings`),
  ),
});

/** `POST /v1/swarm/join`. */
export const swarmKeySchema = section({
  key: checkedText('a swarm key', (text) =>
    text.length >= 1 && text.length <= MAX_SWARM_KEY_CHARACTERS && /^[!-~]+$/.test(text)
      ? undefined
      : `expected a swarm key, one word of 1..${MAX_SWARM_KEY_CHARACTERS} characters`,
  ),
});

/** A body that says nothing: `{}`. */
export const emptyRequestSchema = section({});
