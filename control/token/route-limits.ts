/**
 * Times and limits of token announcements in one place, each with its reason. Main thread; constants only.
 *
 * An idle pair of nodes shall send less than 200 bytes a second in all: a refresh is 141 bytes and carries no tokens.
 */
export const ROUTE_TIMING = {
  /** What a neighbour forgets of one who vanished without a word. */
  lifetimeMs: 1_800_000,
  /** A third of it: two refreshes may be lost. */
  refreshMs: 600_000,
  /** Stations that appear together are announced together. */
  batchMs: 100,
  /** A state that is missing is asked for after this, once: an answer may be under way. */
  pullDelayMs: 1_000,
} as const;

export const ROUTE_LIMIT = {
  /** Segments of own epochs; the table of epochs has as many. */
  segments: 1_024,
  /** Announcers whom one neighbour may speak for in a segment: the members behind it. */
  announcers: 1_024,
  /** Tokens that one neighbour may have: 64 segments of a member with all its stations, or many members behind it. */
  tokensPerTrunk: 16_384,
  /** Tokens in all: what the token table has room for. */
  tokens: 98_304,
  /** Signatures verified for one neighbour: a message for each of 256 VLANs at once, then a change of epoch now and then. */
  verifications: { burst: 512, perSecond: 32 },
  /** Pulls answered for one neighbour. */
  pulls: { burst: 512, perSecond: 8 },
} as const;
