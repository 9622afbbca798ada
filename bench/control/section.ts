/**
 * Owns the section `control`: what the control plane's work for private VLANs costs.
 *
 *   group curve (group-curve.ts)    MLS work and messages by size of the group
 *   daemon joins (daemon-join.ts)   request to first frame between two daemons, by size of the group
 *   frame path (frame-path.ts)      TCP through a private VLAN beside an open one
 *
 * The last two need root. Runs on the main thread of the bench.
 */
import { preflightProblems } from '../../test/lab/preflight.ts';
import type { Section, SectionFindings, SectionSettings } from '../section.ts';
import { measureDaemonJoins } from './daemon-join.ts';
import { measureFramePath } from './frame-path.ts';
import { measureGroupCurve } from './group-curve.ts';

/** The section. */
export const controlSection: Section = {
  name: 'control',
  title: 'private VLANs: joins, removals and their messages by size of the group; frames beside an open VLAN',
  problems: () => [],
  run: runControl,
};

async function runControl(
  settings: SectionSettings,
  progress: (text: string) => void,
): Promise<SectionFindings> {
  const findings = [await measureGroupCurve(settings, progress)];
  const notes: string[] = [];
  const missing = daemonProblems(settings);
  if (missing.length === 0) {
    findings.push(await measureDaemonJoins(settings, progress));
    findings.push(await measureFramePath(settings, progress));
  } else {
    notes.push(`Joins between daemons and the frame path are left out: ${missing.join(' ')}`);
  }
  return {
    groups: findings.flatMap(({ groups }) => groups),
    verdicts: findings.flatMap(({ verdicts }) => verdicts),
    notes: [...findings.flatMap((found) => found.notes), ...notes],
  };
}

function daemonProblems({ limitsOnly, wires }: SectionSettings): readonly string[] {
  if (limitsOnly) return ['only the limits are measured, and no daemon is started.'];
  return preflightProblems(['ip', 'iperf3', 'ping', ...(wires[0] === 'mtu' ? ['ethtool'] : [])]);
}
