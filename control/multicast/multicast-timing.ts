/**
 * Times and limits of multicast snooping in one place, each with its reason. Main thread; constants only.
 *
 * The times are the defaults of RFC 3376 section 8 and RFC 3810 section 9, which agree.
 */

/** How many packets in a row may be lost. */
export const ROBUSTNESS = 2;
const QUERY_INTERVAL_MS = 125_000;
const RESPONSE_INTERVAL_MS = 10_000;
const LAST_MEMBER_INTERVAL_MS = 1_000;

export const MULTICAST_TIMING = {
  queryIntervalMs: QUERY_INTERVAL_MS,
  /** What a general query gives its listeners to spread their answers over. */
  responseIntervalMs: RESPONSE_INTERVAL_MS,
  startupQueryIntervalMs: QUERY_INTERVAL_MS / 4,
  startupQueryCount: ROBUSTNESS,
  /** A group that nobody reports for so long has no listeners. */
  membershipMs: ROBUSTNESS * QUERY_INTERVAL_MS + RESPONSE_INTERVAL_MS,
  /** So long after its last query another querier is taken for gone. */
  otherQuerierMs: ROBUSTNESS * QUERY_INTERVAL_MS + RESPONSE_INTERVAL_MS / 2,
  /** Another querier may name longer intervals; an hour is the longest that it is believed. */
  otherQuerierMostMs: 3_600_000,
  /** What the last listener's leaving asks others for, and within which they answer. */
  lastMemberIntervalMs: LAST_MEMBER_INTERVAL_MS,
  lastMemberCount: ROBUSTNESS,
  lastMemberMs: ROBUSTNESS * LAST_MEMBER_INTERVAL_MS,
  /** A multicast router that says nothing for so long is gone; as long as another querier. */
  routerMs: ROBUSTNESS * QUERY_INTERVAL_MS + RESPONSE_INTERVAL_MS / 2,
  /** Changes that come together are told together; the announcement of tokens waits as long. */
  batchMs: 100,
} as const;

export const MULTICAST_LIMIT = {
  /**
   * Groups of one interface that have tokens of their own: 768 tokens in three periods, which one announcement holds
   * beside those of a thousand stations. An interface with more wants all groups.
   */
  groups: 256,
  /** Sources of one group that are told apart: a query that names them all fits into IPv6's smallest MTU. */
  sources: 64,
  /** Queries of one LAN that wait for their repetition: two for each group. What is not asked for stays until it ages. */
  queries: 512,
  /** Stacks of VLAN tags behind one interface that are asked for their groups: an inner VLAN each, by both protocols. */
  lans: 32,
  /** Messages of one interface that are looked at: a busy LAN's answers to a general query come at once. */
  messages: { burst: 1_000, perSecond: 200 },
} as const;
