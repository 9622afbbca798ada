/**
 * `peertap vlan join ID|INVITE --interface NAME`: attaches this machine to a VLAN, waits until it is admitted, and
 * looks for a first member.
 *
 *   asked ──▶ joining ──▶ waiting for approval ──▶ active ──▶ a member found, or 10 s over
 *
 * An open VLAN has no list to look an id up in: a mistyped but well-formed id is a VLAN without members, so
 * silence for ten seconds is said, and is no failure. A private one is waited for without end; the request is the
 * daemon's, so the command may be ended meanwhile.
 */
import { AdminClient } from '../admin/admin-client.ts';
import type { JoinRequest, VlanReport, VlanState } from '../admin/daemon-control.ts';
import { looksLikeInvite, parseInvite } from '../vlan/invite.ts';
import type { QueryOptions } from './arguments.ts';
import { CommandError, UsageError } from './command-error.ts';
import type { CommandIo } from './command-io.ts';
import { nameOf, shortId, vlanIdOf } from './named.ts';
import { hostInSubnet } from './subnet-host.ts';

const FIRST_MEMBER_TIMEOUT_MS = 10_000;
const POLL_INTERVAL_MS = 200;
/** Making a group takes a fraction of a second; longer, and it has to be got from other members. */
const OWN_KEYS_TIMEOUT_MS = 5_000;
/** For one that joins by hand, after the first seconds. */
const SLOW_POLL_INTERVAL_MS = 1_000;
/** A number that the first few machines of a VLAN have not taken. */
const EXAMPLE_HOST = 17;

const NO_MEMBER =
  `no other member was found within ${FIRST_MEMBER_TIMEOUT_MS / 1000} s. The VLAN stays joined and takes ` +
  'members as they come; check the id, and `peertap peers` for a trunk to one of them';

const NO_ANSWER =
  'no member has answered yet, and the request stays. `peertap peers` shows whether there is a trunk to one; ' +
  'name one in "bootstrap" of the config, or join by an invite, which brings addresses along';

const NOT_KNOWN =
  'no other node has told what it knows of this VLAN yet. If it is a private one, this node asks to be admitted; ' +
  '`peertap vlan list` shows how that goes';

/** Where lines go: those that were asked for, and those for the person. */
interface Listener {
  readonly say: (line: string) => void;
  readonly io: CommandIo;
  /** What to say when nobody answers. */
  readonly noAnswer: string;
}

/** What is joined, and how it is shown here. */
export type WantedAttachment = Pick<JoinRequest, 'interface' | 'addresses' | 'mtuBytes'>;

export interface JoinOptions extends QueryOptions {
  readonly wait: boolean;
}

/** Joins, then waits to be let in and for a member unless told not to. */
export async function runVlanJoin(
  text: string,
  attachment: WantedAttachment,
  options: JoinOptions,
  io: CommandIo,
): Promise<void> {
  const client = new AdminClient(options.socket);
  const invited = looksLikeInvite(text) ? wholeInvite(text) : undefined;
  const target = invited?.request ?? { id: vlanIdOf(text, await client.vlans()) };
  const answered = await client.joinVlan({ ...target, ...attachment });
  // Its own VLAN's keys are made on this very machine, so that is no wait to speak of.
  const asked = answered.owned ? await waitForOwnKeys(client, answered, io) : answered;
  const say = (line: string): void => {
    if (options.json === true) io.err(line);
    else io.out(line);
  };
  const to = { say, io, noAnswer: invited?.noAnswer ?? NO_ANSWER };
  const last = options.wait ? await waitForMember(client, asked, to) : asked;
  if (!options.wait) {
    if (!isIn(last)) await tellState(client, last, to);
    else {
      tellJoined(last, to);
      if (!isSettled(last)) io.err(NOT_KNOWN);
    }
  }
  if (options.json === true) io.out(JSON.stringify(last, undefined, 2));
}

/**
 * Waits to be admitted, then for a member. A VLAN that was joined by a bare id counts as open until a neighbour tells
 * of its record: it may turn out to be private while a member is looked for, and the wait begins anew.
 */
async function waitForMember(client: AdminClient, asked: VlanReport, to: Listener): Promise<VlanReport> {
  for (let vlan = asked; ; ) {
    const admitted = await waitUntilIn(client, vlan, to);
    if (isSettled(admitted)) tellJoined(admitted, to);
    vlan = await lookForMember(client, admitted, to.io);
    if (!isIn(vlan)) continue;
    if (!isSettled(admitted)) tellJoined(vlan, to);
    if (vlan.members > 0) to.say(`found ${vlan.members} other member${vlan.members === 1 ? '' : 's'}`);
    else to.io.err(NO_MEMBER);
    return vlan;
  }
}

/** Whether it is known what kind of VLAN it is. */
function isSettled(vlan: VlanReport): boolean {
  return vlan.kind === 'private' || vlan.name !== null;
}

function tellJoined(vlan: VlanReport, { say, io }: Listener): void {
  say(`joined ${vlan.id} on ${vlan.interface ?? 'no interface'} (${describe(vlan)})`);
  tellSubnet(vlan, io);
}

/** @throws UsageError when it was cut or mistyped: no daemon could do anything with it */
function wholeInvite(text: string): { request: Pick<JoinRequest, 'invite'>; noAnswer: string } {
  const parsed = parseInvite(text);
  if (!parsed.ok) throw new UsageError(parsed.reason);
  const admins = parsed.invite.admins.map(({ peer }) => `\n  ${peer}`);
  const noAnswer =
    'no admin has answered yet. The request stays, and this node is let in as soon as one is reached. ' +
    `\`peertap peers\` says what stands in the way; the invite leads to:${admins.join('')}`;
  return { request: { invite: text }, noAnswer };
}

async function waitForOwnKeys(client: AdminClient, asked: VlanReport, io: CommandIo): Promise<VlanReport> {
  const deadlineMs = io.nowMs() + OWN_KEYS_TIMEOUT_MS;
  let vlan = asked;
  while (vlan.state === 'joining' && io.nowMs() < deadlineMs) {
    await io.sleep(POLL_INTERVAL_MS);
    vlan = await current(client, asked);
  }
  return vlan;
}

/** Polls until the node is admitted, and says what it waits for. @throws CommandError when that will not be */
async function waitUntilIn(client: AdminClient, asked: VlanReport, to: Listener): Promise<VlanReport> {
  const { io } = to;
  const startMs = io.nowMs();
  let vlan = asked;
  let told: VlanState | undefined;
  for (;;) {
    const isOverdue = io.nowMs() - startMs >= FIRST_MEMBER_TIMEOUT_MS;
    // The interface is made anew when the VLAN's record asks for other keys than were taken for granted.
    if (isIn(vlan) && (vlan.state === 'active' || isOverdue)) return vlan;
    if (vlan.state === 'joining' && told === 'waiting-for-approval') {
      io.err('approved; the keys are on their way');
      told = vlan.state;
    }
    // A member that is there answers within seconds; only silence is worth a word.
    if (told !== vlan.state && !isIn(vlan) && (vlan.state !== 'joining' || isOverdue)) {
      await tellState(client, vlan, to);
      told = vlan.state;
    }
    await io.sleep(isOverdue ? SLOW_POLL_INTERVAL_MS : POLL_INTERVAL_MS);
    vlan = await current(client, asked);
  }
}

async function tellState(client: AdminClient, vlan: VlanReport, { io, noAnswer }: Listener): Promise<void> {
  switch (vlan.state) {
    case 'expelled':
      throw new CommandError(
        `an admin has removed this node from ${nameOf(vlan)}. Ask one of them for an invite, and join by that`,
      );
    case 'refused':
      throw new CommandError(`${vlan.reason ?? 'an admin refused'}; then join anew`);
    case 'waiting-for-approval': {
      const { peerId } = await client.status();
      io.err(
        "this node waits for an admin's approval; the request stays when this command is ended. On an admin's node:",
      );
      io.err(`  peertap vlan approve ${shortId(vlan.id)} ${peerId}`);
      return;
    }
    default:
      io.err(vlan.reason ?? noAnswer);
  }
}

/** DHCP comes later, so somebody has to choose an address. */
function tellSubnet(vlan: VlanReport, io: CommandIo): void {
  if (vlan.subnet === null || vlan.interface === null || vlan.addresses.length > 0) return;
  const example = hostInSubnet(vlan.subnet, EXAMPLE_HOST);
  io.err(`the VLAN's subnet is ${vlan.subnet}, and ${vlan.interface} has no address in it. To give it one:`);
  io.err(`  ip address add ${example} dev ${vlan.interface}`);
  io.err(
    'choose one that no other machine has; `vlan join … --address` gives it to the interface at each start',
  );
}

/** Polls until a member is there, the time is over, or this node is in no more. */
async function lookForMember(client: AdminClient, joined: VlanReport, io: CommandIo): Promise<VlanReport> {
  const deadlineMs = io.nowMs() + FIRST_MEMBER_TIMEOUT_MS;
  for (;;) {
    const vlan = await current(client, joined);
    if (vlan.members > 0 || !isIn(vlan) || io.nowMs() >= deadlineMs) return vlan;
    await io.sleep(POLL_INTERVAL_MS);
  }
}

async function current(client: AdminClient, asked: VlanReport): Promise<VlanReport> {
  const vlan = (await client.vlans()).find((entry) => entry.id === asked.id);
  if (vlan !== undefined) return vlan;
  throw new CommandError(`${nameOf(asked)} was left meanwhile; \`peertap vlan join\` asks again`);
}

function isIn({ state }: VlanReport): boolean {
  return state === 'active' || state === 'no-interface';
}

function describe(vlan: VlanReport): string {
  const addresses = vlan.addresses.length === 0 ? 'no address' : vlan.addresses.join(', ');
  return `${addresses}, MTU ${vlan.mtuBytes}`;
}
