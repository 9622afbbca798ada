/**
 * The times and limits of membership in one place, each with its reason. Main thread; constants only.
 *
 * @see docs/protocol.md, "Membership"
 */

/** Times in milliseconds. */
export const TIMING = {
  /** Three are lost before a member counts as gone. */
  heartbeatMs: 30_000,
  /** Spread, so that members who started together do not speak together for ever. */
  heartbeatJitterMs: 1_500,
  memberExpiryMs: 95_000,
  /** Two are missing: ask before the member counts as gone. */
  memberQuietMs: 66_000,
  /** Least time between two announcements: answers that come due together go together. */
  announceGapMs: 25,
  /** At most one pull a second for each VLAN (protocol section 4). */
  pullGapMs: 1_000,
  /** An announcement that answers us is usually under way already. */
  pullDelayMs: 300,
  /** Housekeeping: epochs, salts, expiry, and the delays below are as exact as this. */
  housekeepingMs: 500,
  /** A host's reply to its first broadcast may come before others know that they must seal it pairwise. */
  enforceDelayMs: 1_000,
  /** A successor salt is announced this long before it is used. */
  successorDelayMs: 1_000,
  /** Frames under a retired salt may still be under way. */
  retiredSaltMs: 10_000,
  /** Members get to know each other's senders of the next day this long before it starts. */
  nextEpochLeadMs: 120_000,
  /** Private VLANs: a member that has not shown that it can open a new epoch by then is left behind (section 7). */
  epochSwitchMs: 30_000,
  /** An epoch is opened this much longer: the last frames under it were sealed a moment before. */
  epochLingerMs: 5_000,
  /** After a settled Remove the epochs before are opened no longer than this (protocol section 7). */
  epochCutMs: 1_000,
  /** Members that have not shown that they can open us are told again after this, then after twice as long… */
  epochNudgeMs: 500,
  epochNudgeMostMs: 8_000,
  /** The same receipt is not signed more often. */
  receiptGapMs: 400,
  /** Private VLANs: each member adds this to the least time between announcements, since all answer all. */
  announceGapPerMemberMs: 3,
  announceGapMostMs: 1_000,
  /** After this long without a frame a learned station is no longer claimed (IEEE 802.1D-2004 §7.9.2). */
  stationAgeMs: 300_000,
  /** A station from which a frame came this recently has not moved away. */
  stationHoldMs: 2_000,
  /** When to say that nobody answered. */
  noMemberMs: 10_000,
  /** Least time between two notices of one code. */
  noticeGapMs: 60_000,
} as const;

/** Limits of one VLAN. */
export const MEMBERSHIP_LIMIT = {
  members: 1_024,
  macsPerMember: 256,
  /** An unproven announcer is asked this often, then only heard. */
  pullTries: 5,
  /** Challenges and receipts that wait for a signature: what the parts of one announcement take. */
  pendingAnswers: 1_536,
  /** Epochs of a private VLAN that are opened at a time; the tables' room for epochs is made for it. */
  groupEpochs: 4,
  /** Pairwise keys that are derived in one turn: about 1 ms with what follows from them. */
  pairKeysAStep: 64,
  /** Signatures verified in a second, and at once: 10 % of a core. */
  verificationsPerSecond: 500,
  verificationBurst: 1_000,
  /** Pulls of nodes that are not in the roster, in a second. */
  strangerPullsPerSecond: 4,
} as const;
