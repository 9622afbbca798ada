/**
 * Times and limits of token announcements in one place, each with its reason. Main thread; constants only.
 *
 * An idle pair of nodes shall send less than 200 bytes a second in all: a refresh is 142 bytes and carries no tokens.
 */
export const ROUTE_TIMING = {
  /** What a neighbour forgets of one who vanished without a word. */
  lifetimeMs: 1_860_000,
  /** Less than a third of it: two refreshes may be lost, and the third may take its time. */
  refreshMs: 600_000,
  /** Stations that appear together are announced together. */
  batchMs: 100,
  /** A state that is missing is asked for after this: an answer may be under way. Doubles with each try. */
  pullDelayMs: 1_000,
  /** A set to which no way leads is kept as long: trees find another way in less, and then it need not be sent anew. */
  dormantMs: 60_000,
} as const;

export const ROUTE_LIMIT = {
  /** Segments of own epochs; the table of epochs has as many. */
  segments: 1_024,
  /** Segments carried for others; with our own what the data plane's table has. */
  carriedSegments: 3_072,
  /** Announcers whom one neighbour may speak for in a segment: the members behind it. */
  announcersPerTrunk: 1_024,
  /** Announcers of a segment: a VLAN's members, as many again that have restarted and are not forgotten yet. */
  announcers: 2_048,
  /** Announcers of one neighbour in all segments: a thousand small VLANs, or some large ones. */
  announcersOfTrunk: 4_096,
  /** Announcers in all: with their histories some tens of MiB. */
  allAnnouncers: 16_384,
  /** Tokens that one neighbour may have: 64 segments of a member with all its stations, or many members behind it. */
  tokensPerTrunk: 16_384,
  /** Tokens in all: what the token table has room for. */
  tokens: 98_304,
  /** Tokens of segments that we only carry: half of it, so that our own VLANs always find room. */
  foreignTokens: 49_152,
  /** Nodes that pass a set on, one after the other: two leaves of the deepest tree. Ends whatever should go in circles. */
  hops: 64,
  /** Changes after which an announcer tells its whole set again, or sooner when they are larger than the set. */
  deltas: 16,
  /** More changes, and bytes of them, than that are taken from no announcer: the whole set is asked for. */
  takenDeltas: 24,
  takenDeltaBytes: 4_096,
  /** Signatures verified for one neighbour: all members of a large VLAN at once, then a change of epoch now and then. */
  verifications: { burst: 2_048, perSecond: 128 },
  /** Unsigned messages that may change something, for one neighbour: one for each of its segments at once. */
  claims: { burst: 4_096, perSecond: 128 },
  /** Sets sent to one neighbour because it asked. */
  pulls: { burst: 2_048, perSecond: 128 },
  /** Times that a set is asked for: 1, 2, 4, 8 and 16 seconds. */
  pullTries: 5,
} as const;
