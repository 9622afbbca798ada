/**
 * Who is kept by a trunk (full), who by a heartbeat (warm), and who is only known.
 *
 *   config ─▶ always full
 *   others that share a VLAN, or may ─▶ by score, as far as `connectionLimit` goes:
 *        those with a trunk stay ─▶ room left: the best of the others are tried, a few at a time
 *        no room: the best warm one takes the place of the worst, if it is better by a margin, one at a time
 *
 * Main thread, pure. What is chosen is marked on the candidates; the machine tells it.
 */
import { type Candidate, hasAddress, vlansOf } from './candidates.ts';
import type { DiscoveryConfig } from './discovery-config.ts';

const HOUR_MS = 3_600_000;

/** More than all else together: what is forwarded by it would have to find another way. */
const TREE_SCORE = 2_000;

/** What a choice is made from. */
export interface ChoiceContext {
  readonly config: DiscoveryConfig;
  readonly nowMs: number;
  /** Places that configured addresses without a name may take. */
  readonly unnamedCount: number;
  /** Whether candidates of which no VLAN is known are tried: a node in no VLAN needs nobody. */
  readonly hasVlans: boolean;
  /** Whether a trunk leads to a relay, through which peers may be reached whose addresses nobody knows. */
  readonly hasRelay: boolean;
}

/** Remembers when a place last changed hands. */
export interface SwapMemory {
  swappedAtMs: number;
}

/** Chooses who is full; marks `isChosen` and counts trials that came to nothing as failures. */
export function chooseFull(
  candidates: Iterable<Candidate>,
  context: ChoiceContext,
  memory: SwapMemory,
): Candidate[] {
  const all = [...candidates];
  settleFailures(all, context);
  const configured = all.filter(({ sources }) => sources.has('config'));
  const others = all.filter(
    (candidate) => !candidate.sources.has('config') && isEligible(candidate, context),
  );
  const standing = others.filter((candidate) => candidate.hasTrunk || isAwaited(candidate, context));
  // Strangers' trunks take places, too, until they go.
  const placed = new Set([...configured, ...standing]);
  const strangers = all.filter((candidate) => candidate.hasTrunk && !placed.has(candidate));
  const taken = configured.length + context.unnamedCount + strangers.length;
  const limit = Math.max(0, context.config.connectionLimit - taken);
  const sought = Math.max(0, Math.ceil(context.config.connectionLimit * context.config.soughtShare) - taken);
  const kept = best(standing, limit, context);
  const keptSet = new Set(kept);
  const fresh = best(
    others.filter((candidate) => !keptSet.has(candidate) && isReady(candidate, context)),
    context.config.trialsMax,
    context,
  );
  const trials = kept.filter(({ hasTrunk }) => !hasTrunk).length;
  const room = Math.min(sought - kept.length, context.config.trialsMax - trials);
  const chosen = [...kept, ...fresh.slice(0, Math.max(0, room))];
  if (chosen.length === kept.length && kept.length >= sought && sought > 0) {
    swap(chosen, fresh[0], context, memory);
  }
  return mark(all, [...configured, ...chosen], context.nowMs);
}

/** Chooses who is warm: members of our VLANs without a trunk, the best first. */
export function chooseWarm(candidates: Iterable<Candidate>, context: ChoiceContext): Candidate[] {
  const members = [...candidates].filter(
    (candidate) =>
      !candidate.isChosen &&
      !candidate.hasTrunk &&
      vlansOf(candidate).size > 0 &&
      context.nowMs >= candidate.leftAloneUntilMs &&
      hasAddress(candidate),
  );
  return best(members, context.config.warmMax, context);
}

/**
 * How much a trunk to this peer is worth: shared VLANs first, then path and age; a part that is the same for both ends and
 * else like chance, so that members of a large VLAN do not all choose the same few.
 */
export function scoreOf(candidate: Candidate, { nowMs }: Pick<ChoiceContext, 'nowMs'>): number {
  const isProven = candidate.isProven || candidate.hasTrunk;
  const vlans = Math.min(8, vlansOf(candidate).size);
  const ageHours = Math.min(10, (nowMs - candidate.knownSinceMs) / HOUR_MS);
  return (
    (candidate.isTreePeer ? TREE_SCORE : 0) +
    vlans * (isProven ? 100 : 60) +
    (candidate.sources.has('presence') ? 20 : 0) +
    candidate.chance * 30 +
    ageHours * 2 -
    Math.min(40, (candidate.rttMs ?? 100) / 10) -
    candidate.lossRatio * 100 -
    (candidate.load / 255) * 20 -
    candidate.failures * 10
  );
}

/** How long until the trial of a chosen candidate is over, or its lost trunk is given up. */
export function patienceEndMs(candidate: Candidate, config: DiscoveryConfig): number {
  return candidate.chosenSinceMs + (candidate.isProven ? config.lostMs : config.trialMs);
}

/** The best of them, the best first. Only a few of thousands are wanted: they are not all put in order. */
function best(candidates: Iterable<Candidate>, count: number, context: ChoiceContext): Candidate[] {
  const ranks: { readonly candidate: Candidate; readonly score: number }[] = [];
  for (const candidate of candidates) {
    const score = scoreOf(candidate, context);
    let place = ranks.length;
    while (place > 0 && isBefore(candidate, score, ranks[place - 1])) {
      place -= 1;
    }
    if (place < count) {
      ranks.splice(place, 0, { candidate, score });
      ranks.length = Math.min(ranks.length, count);
    }
  }
  return ranks.map(({ candidate }) => candidate);
}

function isBefore(
  candidate: Candidate,
  score: number,
  other: { readonly candidate: Candidate; readonly score: number } | undefined,
): boolean {
  if (other === undefined || score === other.score) {
    return other === undefined || candidate.peer < other.candidate.peer;
  }
  return score > other.score;
}

function settleFailures(all: readonly Candidate[], { config, nowMs }: ChoiceContext): void {
  for (const candidate of all) {
    const isOver =
      candidate.isChosen &&
      !candidate.hasTrunk &&
      !candidate.sources.has('config') &&
      nowMs >= patienceEndMs(candidate, config);
    if (isOver) {
      candidate.isChosen = false;
      candidate.failures += 1;
      const delayMs = Math.min(config.retryMaxMs, config.retryMinMs * 2 ** (candidate.failures - 1));
      candidate.retryAtMs = nowMs + delayMs;
    }
    const isStranger =
      candidate.hasTrunk &&
      !candidate.isTreePeer &&
      candidate.shared.size === 0 &&
      nowMs - candidate.trunkSinceMs >= config.graceMs;
    if (isStranger && nowMs >= candidate.leftAloneUntilMs) {
      candidate.leftAloneUntilMs = nowMs + config.strangerMs;
    }
  }
}

function isEligible(candidate: Candidate, context: ChoiceContext): boolean {
  const mayShare =
    candidate.isTreePeer || vlansOf(candidate).size > 0 || (context.hasVlans && !candidate.isProven);
  return mayShare && context.nowMs >= candidate.leftAloneUntilMs;
}

/** Chosen, and its trunk may still come. */
function isAwaited(candidate: Candidate, { config, nowMs }: ChoiceContext): boolean {
  return candidate.isChosen && nowMs < patienceEndMs(candidate, config);
}

function isReady(candidate: Candidate, { nowMs, hasRelay }: ChoiceContext): boolean {
  const hasWay = hasAddress(candidate) || (hasRelay && candidate.sources.has('fabric'));
  return nowMs >= candidate.retryAtMs && hasWay;
}

function swap(
  chosen: Candidate[],
  challenger: Candidate | undefined,
  context: ChoiceContext,
  memory: SwapMemory,
): void {
  const { config, nowMs } = context;
  const worst = chosen.at(-1);
  if (challenger === undefined || worst === undefined || nowMs - memory.swappedAtMs < config.swapIntervalMs) {
    return;
  }
  const isSettled = worst.isChosen && nowMs - worst.chosenSinceMs >= config.tenureMs;
  if (isSettled && scoreOf(challenger, context) > scoreOf(worst, context) + config.swapMargin) {
    memory.swappedAtMs = nowMs;
    worst.leftAloneUntilMs = nowMs + config.tenureMs;
    chosen.splice(-1, 1, challenger);
  }
}

function mark(all: readonly Candidate[], chosen: readonly Candidate[], nowMs: number): Candidate[] {
  const set = new Set(chosen);
  for (const candidate of all) {
    if (set.has(candidate) && !candidate.isChosen) {
      candidate.chosenSinceMs = nowMs;
    }
    candidate.isChosen = set.has(candidate);
  }
  return [...set];
}
