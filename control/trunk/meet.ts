/**
 * Meeting: telling the neighbour our VLANs' tags, and finding ours among its tags (protocol.md section 2).
 *
 * Main thread, pure. A VLAN id never leaves this node: only tags do.
 */
import { type MeetDirection, meetTag, paddedMeetTags, tagText } from './meet-tags.ts';
import type { Meet } from './messages/trunk-messages.ts';
import { type Peer, sendMessage } from './peer.ts';
import type { Trunk } from './trunk.ts';
import { hexText, type TrunkContext } from './trunk-context.ts';

/** Sends all our tags: once on each control stream, as an earlier one may have ended before they arrived. */
export function sendMeet(context: TrunkContext, peer: Peer): void {
  const { trunk } = peer;
  if (trunk === undefined || peer.stream === undefined) {
    return;
  }
  trunk.meetStream = peer.stream.id;
  const direction = trunk.isInitiator ? 'from-initiator' : 'from-responder';
  const tags = [...context.vlans.values()].map(({ meetKey }) =>
    meetTag(meetKey, direction, trunk.transcript),
  );
  const padded = paddedMeetTags(tags, trunk.meetPads, (sizeBytes) => context.randomBytes(sizeBytes));
  sendMessage(context, peer, { kind: 'meet', tags: padded });
}

/** Takes the neighbour's tags, all of them anew. */
export function handleMeet(context: TrunkContext, trunk: Trunk, meet: Meet): void {
  trunk.peerTags = new Set(meet.tags.map(tagText));
  findShared(context, trunk);
}

/** Finds which of our VLANs the neighbour shares; `tellShared` tells it. */
export function findShared(context: TrunkContext, trunk: Trunk): void {
  const direction: MeetDirection = trunk.isInitiator ? 'from-responder' : 'from-initiator';
  trunk.untoldVlans = [...context.vlans.values()]
    .filter(({ meetKey }) => trunk.peerTags.has(tagText(meetTag(meetKey, direction, trunk.transcript))))
    .map(({ id }) => id);
}

/** Emits `vlans-shared` when the set is another than the one last told, once the trunk is up. */
export function tellShared(context: TrunkContext, trunk: Trunk): void {
  if (!trunk.isUp || trunk.untoldVlans === undefined) {
    return;
  }
  const vlans = trunk.untoldVlans;
  trunk.untoldVlans = undefined;
  const text = vlans.map(hexText).sort().join();
  if (text !== trunk.sharedVlans) {
    trunk.sharedVlans = text;
    context.emit({ kind: 'vlans-shared', trunk: trunk.id, peer: trunk.peer, vlans });
  }
}
