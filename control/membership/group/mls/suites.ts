/**
 * Owns which cipher suites a group may have, and their names.
 *
 * The name stands in what people and other modules see; MLS's own number of it is in every key package and group, so
 * two sides that differ notice at once. X-Wing's number is from the private range: it names the draft that ts-mls 1.6
 * speaks, and a later draft gets another name here. Constants only, any thread.
 *
 * @see docs/adr/0011-group-cipher-suite.md
 * @see RFC 9420 §17.1
 */
import type { CiphersuiteName } from 'ts-mls';

/** `x-wing`: X25519 with ML-KEM-768, closed to a later quantum computer; `x25519`: the suite that every MLS has. */
export type GroupSuite = 'x-wing' | 'x25519';

/** Of new groups, and of key packages whose group's suite is not known. */
export const DEFAULT_SUITE: GroupSuite = 'x-wing';

/** What RFC 9420 and ts-mls call each. */
export const MLS_SUITES: Readonly<Record<GroupSuite, CiphersuiteName>> = {
  'x-wing': 'MLS_256_XWING_AES256GCM_SHA512_Ed25519',
  x25519: 'MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519',
};

/** Our name of one of MLS's suites; undefined for those that no group here has. */
export function groupSuiteOf(name: CiphersuiteName): GroupSuite | undefined {
  if (name === MLS_SUITES['x-wing']) return 'x-wing';
  return name === MLS_SUITES.x25519 ? 'x25519' : undefined;
}
