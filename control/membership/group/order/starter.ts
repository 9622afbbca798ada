/**
 * The four ways in which a machine starts: a new group, a stored head, a Welcome that was joined by, or from outside.
 *
 * Main thread and simulation; no I/O.
 */
import type { Committer } from './committer.ts';
import { decodeHead } from './head.ts';
import type { Intake } from './intake.ts';
import type { OrderContext } from './order-context.ts';
import {
  ORDER_TIMING,
  type StartByCreate,
  type StartByJoin,
  type StartByRestore,
  type StartFromOutside,
} from './order-port.ts';
import { encodePolicy } from './policy-extension.ts';
import type { Settler } from './settler.ts';
import { Standings } from './standings.ts';

/** What a start sets going. */
export interface StartParts {
  readonly intake: Intake;
  readonly settler: Settler;
  readonly committer: Committer;
}

/** Starts from one of the four. */
export function startFrom(
  input: StartByCreate | StartByRestore | StartByJoin | StartFromOutside,
  context: OrderContext,
  parts: StartParts,
): void {
  context.moveHeads();
  if (input.from === 'restore') {
    restore(input, context, parts);
    return;
  }
  context.admission = input.admission;
  if (input.from === 'create') {
    create(input, context, parts.settler);
  } else if (input.from === 'outside') {
    parts.intake.record(input.record, undefined);
  } else {
    const kept = context.read(input.state);
    if (kept !== undefined) parts.settler.adopt(kept);
    else context.notice('group-failed', 'the group that was joined has no policy of this VLAN');
  }
}

function create({ record }: StartByCreate, context: OrderContext, settler: Settler): void {
  const policy = encodePolicy({ record, rebuild: undefined, standings: Standings.none });
  context.job({ op: 'create', policy }, (result) => {
    const kept = result.ok ? context.read(result.value.state) : undefined;
    if (kept !== undefined) settler.adopt(kept);
    else context.notice('group-failed', result.ok ? 'the record is not the VLAN’s' : result.reason);
  });
}

function restore({ head, states }: StartByRestore, context: OrderContext, parts: StartParts): void {
  const stored = decodeHead(head);
  if (stored === undefined) {
    context.notice('group-failed', 'the stored head of the group cannot be read');
    return;
  }
  context.admission = stored.admission;
  context.isLeaving = stored.isLeaving;
  context.standings = stored.known.standings;
  context.rebuild = stored.known.rebuild;
  context.addFamiliar(stored.familiar);
  parts.settler.sequence = stored.sequence;
  parts.intake.record(stored.known.record, undefined);
  for (const item of [...stored.chain].reverse()) context.book.add(item, context.nowMs).verdict = 'valid';
  for (const state of states) {
    const kept = context.read(state);
    if (kept !== undefined && stored.states.includes(state.id)) context.kept.set(state.id, kept);
  }
  parts.committer.quietUntilMs = context.nowMs + ORDER_TIMING.settleInMs;
  const own = context.kept.get(stored.states[0] ?? '');
  if (own !== undefined) parts.settler.adopt(own);
  const [spread = 0] = context.ports.randomBytes(1);
  parts.committer.wishes.renewAtMs = context.nowMs + ORDER_TIMING.restartRenewalMs * (1 + spread / 256);
}
