/**
 * Owns the section `control`: what the control plane's work for private VLANs costs.
 *
 *   group curve (group-curve.ts)   MLS work and messages by size of the group
 *
 * Runs on the main thread of the bench.
 */
import type { Section, SectionFindings, SectionSettings } from '../section.ts';
import { measureGroupCurve } from './group-curve.ts';

/** The section. */
export const controlSection: Section = {
  name: 'control',
  title: 'private VLANs: joins, removals and their messages by size of the group',
  problems: () => [],
  run: runControl,
};

async function runControl(
  settings: SectionSettings,
  progress: (text: string) => void,
): Promise<SectionFindings> {
  return measureGroupCurve(settings, progress);
}
