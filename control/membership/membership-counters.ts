/** The totals of a membership machine at its start. Main thread; pure. */
import type { MembershipCounters } from './membership-port.ts';

export function newCounters(): MembershipCounters {
  return {
    announcesSent: 0,
    announcesAccepted: 0,
    pullsSent: 0,
    pullsAnswered: 0,
    controlInvalid: 0,
    announcementInvalid: 0,
    notInRoster: 0,
    verificationsRefused: 0,
    membersRefused: 0,
    claimsRefused: 0,
    addressConflicts: 0,
    sendersRefused: 0,
  };
}
