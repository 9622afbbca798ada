/**
 * Times and limits of the spanning tree in one place, each with its reason. Main thread; constants only.
 *
 * An idle pair of nodes shall send less than 200 bytes a second in all: a refresh is 164 bytes down each edge.
 */
export const TREE_TIMING = {
  /** A root that vanished without a word is followed no longer than this, plus the slack. */
  claimLifetimeMs: 600_000,
  /** A third of it: two refreshes may be lost. */
  refreshMs: 200_000,
  /** Clocks of nodes differ. */
  claimSlackMs: 30_000,
  /** Sequences are Unix time: what is further ahead can lock a root out for as long. */
  sequenceAheadMs: 3_600_000,
  /** The root raises its sequence for others by half of that at most, so that clocks may differ by the rest. */
  sequenceRaiseAheadMs: 1_800_000,
  /** Requests from all sides come together: one new sequence answers them. */
  raiseGapMs: 50,
  /** Who lost its way waits this long for the root's new sequence before it follows another root. */
  awaitMs: 1_000,
  /** A request that was not answered is sent again after this, then after twice as long each time. */
  requestRetryMs: 300,
  requestRetryMaxMs: 30_000,
  /** At most, when the neighbour tells something else meanwhile. */
  requestGapMs: 100,
  /** The same request is passed on again only after this; below the retry. */
  forwardGapMs: 200,
  /** A distance that has risen is put right by a new sequence, which nobody waits for. */
  riseDelayMs: 2_000,
  riseGapMs: 10_000,
  /** A neighbour that is asked to be parent and does not answer: some round trips of a slow carrier. Doubles. */
  joinTimeoutMs: 2_000,
  joinTimeoutMaxMs: 16_000,
  /** It is not asked again for this long. Doubles. */
  shunMs: 5_000,
  shunMaxMs: 600_000,
  /** A parent that is a little better must be so for this long. */
  switchDelayMs: 10_000,
  /** What a neighbour had said stays good for this long while its new stream is silent: a slow round trip. */
  againMs: 1_000,
  /** A neighbour that says nothing is told again after this, and after twice as long each time until the claim is signed anew. */
  retellMs: 1_000,
  /** A message that went beyond its sender's budget is asked for again after this. */
  askDelayMs: 1_000,
} as const;

export const TREE_LIMIT = {
  /** What the trunk table has room for. */
  peers: 1_024,
  /** Two leaves are twice as far apart: below the hops that a datagram starts with. */
  hops: 31,
  /** A hop costs hops and a relay's work, however near it is: 1 ms in the cost's unit. */
  hopCost: 10,
  /** Nothing goes through. */
  costInfinite: 65_535,
  distance: 0xffff_fffe,
  /** A parent that is better by more is taken at once. */
  switchShare: 0.8,
  /** Distances that are this much above what was told ask for a new sequence. */
  riseShare: 1.25,
  riseUnits: 20,
  /** Claims that were verified; others come again. A node meets as many roots as its segment parts into, and their sequences. */
  claims: 64,
  /** Roots whose feasible distance is kept; a record lives as long as the claim. */
  roots: 256,
  /** Requests that were passed on lately. */
  requests: 64,
  /** Messages of one neighbour: some for each change of the tree, which come in bursts. */
  messages: { burst: 512, perSecond: 64 },
  /** Signatures verified for one neighbour: the roots and sequences of a start, then one in 200 s. */
  verifications: { burst: 64, perSecond: 8 },
  /** New sequences asked for by one neighbour. */
  requestsPerPeer: { burst: 16, perSecond: 2 },
  /** Own claims signed: each goes to every node of the segment. */
  raises: { burst: 32, perSecond: 2 },
} as const;
