/**
 * How a VLAN's record comes to be and changes, by its owner's word.
 *
 * Main thread only; pure functions.
 */
import {
  applySettings,
  DEFAULT_SETTINGS,
  parseSettings,
  type SettingChanges,
  settingProblem,
} from './record-settings.ts';
import { VlanError } from './vlan-error.ts';
import type { VlanKind, VlanRecord } from './vlan-record.ts';

/** What a VLAN starts from. */
export interface NewVlan {
  readonly name: string;
  readonly kind: VlanKind;
  /** In CIDR form with host bits zero, or null. */
  readonly subnet: string | null;
  /** PeerId of the owner's node: the first admin. */
  readonly owner: string;
}

/** The first record of a VLAN, with the defaults. */
export function firstRecord(vlan: NewVlan, publicKey: Uint8Array, unixMs: number): VlanRecord {
  const { owner, ...facts } = vlan;
  const nowMs = Math.floor(unixMs);
  return { ...DEFAULT_SETTINGS, ...facts, publicKey, sequence: nowMs, createdMs: nowMs, admins: [owner] };
}

/**
 * Makes the record that follows another one.
 *
 * @param changes - setting names and values as a person wrote them
 * @param unixMs - the time, for the sequence
 * @throws VlanError `invalid-setting`, naming the settings that exist or the range
 */
export function changeRecord(
  record: VlanRecord,
  changes: Readonly<Record<string, string>>,
  unixMs: number,
): VlanRecord {
  const parsed = parseSettings(changes);
  if (!parsed.ok) throw invalid(parsed.reason);
  return changedRecord(record, parsed.changes, unixMs);
}

function changedRecord(record: VlanRecord, changes: SettingChanges, unixMs: number): VlanRecord {
  const settings = applySettings(record, changes);
  const problem = settingProblem(settings);
  if (problem !== undefined) throw invalid(problem);
  return { ...record, ...settings, sequence: Math.max(record.sequence + 1, Math.floor(unixMs)) };
}

function invalid(reason: string): VlanError {
  return new VlanError('invalid-setting', `${reason}.`);
}
