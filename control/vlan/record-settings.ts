/**
 * The settings of a VLAN that its owner may change: their names, ranges, and how a person writes them.
 *
 *   `vlan set ID key=value …` ──parseSettings──▶ SettingChanges ──applySettings──▶ settings of the next record
 *
 * Any thread; pure and light, so that the command checks what was typed before it asks a daemon.
 */
import { nearestName } from '../config/nearest-name.ts';
import { vlanNameProblem } from '../config/vlan-name.ts';
import { publicKeyOfPeerId } from '../identity/peer-id.ts';
import { textBytes } from './length-fields.ts';
import { parseSubnet } from './subnet.ts';

/** What an owner decides about a VLAN; part of its signed record. */
export interface RecordSettings {
  /** 1 to 64 bytes, without control characters. */
  readonly name: string;
  /** At most 512 bytes, without control characters; may be empty. */
  readonly description: string;
  /** PNG, JPEG, GIF or WebP of at most 8 KiB; empty for none. */
  readonly icon: Uint8Array;
  /** In CIDR form with host bits zero, or null. */
  readonly subnet: string | null;
  /** Whether whoever browses sees the VLAN. */
  readonly public: boolean;
  /** PeerIds, 1 to 32; the first is the owner's node, where it is its member. */
  readonly admins: readonly string[];
  /** Of the frames. */
  readonly cipher: 'aes-256-gcm' | 'chacha20-poly1305';
  /** Whether a MAC address may move from one member to another while the first one is live. */
  readonly movingHosts: 'allow' | 'refuse';
  /** Divides a day. */
  readonly tokenPeriodSeconds: number;
  readonly membersMax: number;
  readonly rekeyIntervalSeconds: number;
}

/** Ranges, each with its reason. */
export const SETTING_LIMIT = {
  /** A line or two; records are carried whole by many. */
  descriptionBytes: 512,
  iconBytes: 8_192,
  /** Any of them can admit and remove; more would be nobody's responsibility. */
  admins: 32,
  /** What fits a member table; how fast a group of that size changes is in docs/bench.md. */
  members: 1_024,
  /** Below a minute, tokens would change while they are being announced. */
  tokenPeriodLeastSeconds: 60,
  tokenPeriodMostSeconds: 86_400,
  /** Short intervals are for tests; each renewal costs every member some work. */
  rekeyLeastSeconds: 10,
  rekeyMostSeconds: 2_592_000,
} as const;

/** What a new VLAN starts with. */
export const DEFAULT_SETTINGS = {
  description: '',
  icon: new Uint8Array(0),
  public: false,
  cipher: 'aes-256-gcm',
  movingHosts: 'refuse',
  tokenPeriodSeconds: 3_600,
  membersMax: 500,
  rekeyIntervalSeconds: 86_400,
} as const satisfies Partial<RecordSettings>;

/** A change of the list of admins: a new list, or some more and some less. */
export type AdminChange =
  | { readonly replace: readonly string[] }
  | { readonly add: readonly string[]; readonly remove: readonly string[] };

/** What is to be changed; what is absent stays. */
export type SettingChanges = Partial<Omit<RecordSettings, 'admins'>> & { readonly admins?: AdminChange };

/** What `parseSettings` returns: the changes, or a sentence part with the names or ranges that were expected. */
export type ParsedSettings =
  | { readonly ok: true; readonly changes: SettingChanges }
  | { readonly ok: false; readonly reason: string };

type Parsed<Key extends keyof SettingChanges> =
  | { readonly value: NonNullable<SettingChanges[Key]> | (Key extends 'subnet' ? null : never) }
  | { readonly expected: string };

interface Setting<Key extends keyof SettingChanges> {
  /** One line for the help of the command. */
  readonly help: string;
  readonly parse: (text: string) => Parsed<Key>;
}

/** Every setting that `vlan set` knows, in the order of its help. */
const SETTINGS: { readonly [Key in keyof Required<SettingChanges>]: Setting<Key> } = {
  name: { help: 'what people call the VLAN, 1..64 bytes', parse: checkedText(vlanNameProblem) },
  description: { help: 'a line about it, up to 512 bytes', parse: checkedText(descriptionProblem) },
  icon: {
    help: 'data:image/png;base64,… of up to 8 KiB (PNG, JPEG, GIF, WebP); empty: none',
    parse: parseIcon,
  },
  subnet: { help: 'its subnet, as 10.7.0.0/24; empty: none', parse: parseSubnetSetting },
  public: { help: 'yes: whoever browses sees it, its id included; no', parse: parsePublic },
  admins: {
    help: 'PEER,PEER,… who admit and remove members; +PEER adds one, -PEER takes one out',
    parse: parseAdmins,
  },
  cipher: {
    help: 'of the frames: aes-256-gcm, chacha20-poly1305',
    parse: oneOf(['aes-256-gcm', 'chacha20-poly1305']),
  },
  movingHosts: {
    help: 'a MAC may move between live members: allow, refuse',
    parse: oneOf(['allow', 'refuse']),
  },
  tokenPeriodSeconds: {
    help: 'how long a token holds: 60..86400, a divisor of 86400',
    parse: parseTokenPeriod,
  },
  membersMax: { help: 'most members: 1..1024', parse: whole(1, SETTING_LIMIT.members) },
  rekeyIntervalSeconds: {
    help: 'members renew their keys so often: 10..2592000',
    parse: whole(SETTING_LIMIT.rekeyLeastSeconds, SETTING_LIMIT.rekeyMostSeconds),
  },
};

const FIXED = new Map([
  ['kind', 'a VLAN is open or private for its whole life; make another one'],
  ['id', 'the id is the hash of the VLAN’s key and never changes'],
]);

/** Names and one-line helps of the settings. */
export const SETTING_HELP: readonly { readonly key: string; readonly help: string }[] = Object.entries(
  SETTINGS,
).map(([key, { help }]) => ({ key, help }));

/**
 * Reads what a person wants changed.
 *
 * @param changes - setting names and values as they were typed; an empty value clears what can be empty
 */
export function parseSettings(changes: Readonly<Record<string, string>>): ParsedSettings {
  const parsed: Record<string, unknown> = {};
  for (const [key, text] of Object.entries(changes)) {
    const setting = Object.hasOwn(SETTINGS, key) ? SETTINGS[key as keyof SettingChanges] : undefined;
    if (setting === undefined) return { ok: false, reason: unknownReason(key) };
    const result = setting.parse(text);
    if ('expected' in result) return { ok: false, reason: `${key}: ${withValue(result.expected, text)}` };
    parsed[key] = result.value;
  }
  return Object.keys(parsed).length === 0
    ? { ok: false, reason: `expected key=value; the keys are ${Object.keys(SETTINGS).join(', ')}` }
    : { ok: true, changes: parsed };
}

/** The settings with some of them changed; the admins' list is not yet checked for its size. */
export function applySettings(settings: RecordSettings, changes: SettingChanges): RecordSettings {
  const { admins, ...others } = changes;
  return {
    ...settings,
    ...others,
    admins: admins === undefined ? settings.admins : newAdmins(settings.admins, admins),
  };
}

/** @returns the first setting that is out of its range, in words, or undefined */
export function settingProblem(settings: RecordSettings): string | undefined {
  const problems: [key: string, isFine: boolean][] = [
    ['name', vlanNameProblem(settings.name) === undefined],
    ['description', descriptionProblem(settings.description) === undefined],
    ['icon', iconProblem(settings.icon) === undefined],
    ['subnet', isSubnet(settings.subnet)],
    ['tokenPeriodSeconds', isTokenPeriod(settings.tokenPeriodSeconds)],
    ['membersMax', isWhole(settings.membersMax, 1, SETTING_LIMIT.members)],
    [
      'rekeyIntervalSeconds',
      isWhole(settings.rekeyIntervalSeconds, SETTING_LIMIT.rekeyLeastSeconds, SETTING_LIMIT.rekeyMostSeconds),
    ],
  ];
  const wrong = problems.find(([, isFine]) => !isFine);
  return wrong === undefined ? adminsProblem(settings.admins) : `${wrong[0]}: out of its range`;
}

function adminsProblem(admins: readonly string[]): string | undefined {
  if (admins.length < 1) return 'admins: a VLAN needs at least one admin';
  if (admins.length > SETTING_LIMIT.admins) {
    return `admins: expected at most ${SETTING_LIMIT.admins}, got ${admins.length}`;
  }
  const isDistinct = new Set(admins).size === admins.length;
  return isDistinct && admins.every((peer) => publicKeyOfPeerId(peer) !== undefined)
    ? undefined
    : 'admins: expected distinct PeerIds';
}

function newAdmins(present: readonly string[], change: AdminChange): readonly string[] {
  if ('replace' in change) return change.replace;
  const removed = new Set(change.remove);
  return [...new Set([...present, ...change.add])].filter((peer) => !removed.has(peer));
}

// ── How each is written ──────────────────────────────────────────────────────────────────────────────────

function checkedText(problemOf: (text: string) => string | undefined) {
  return (text: string): { readonly value: string } | { readonly expected: string } => {
    const problem = problemOf(text);
    return problem === undefined ? { value: text } : { expected: problem };
  };
}

function oneOf<const Names extends readonly string[]>(names: Names) {
  return (text: string): { readonly value: Names[number] } | { readonly expected: string } =>
    names.includes(text) ? { value: text } : { expected: `expected one of ${names.join(', ')}` };
}

function whole(least: number, most: number) {
  return (text: string): { readonly value: number } | { readonly expected: string } => {
    const value = /^\d{1,9}$/.test(text) ? Number(text) : -1;
    return isWhole(value, least, most) ? { value } : { expected: `expected ${least}..${most}` };
  };
}

function parsePublic(text: string): Parsed<'public'> {
  const value = new Map([
    ['yes', true],
    ['true', true],
    ['no', false],
    ['false', false],
  ]).get(text);
  return value === undefined ? { expected: 'expected yes or no' } : { value };
}

function parseSubnetSetting(text: string): Parsed<'subnet'> {
  if (text === '') return { value: null };
  const parsed = parseSubnet(text);
  return parsed.ok ? { value: parsed.subnet } : { expected: parsed.reason };
}

function parseTokenPeriod(text: string): Parsed<'tokenPeriodSeconds'> {
  const value = /^\d{1,9}$/.test(text) ? Number(text) : -1;
  return isTokenPeriod(value)
    ? { value }
    : { expected: 'expected 60..86400 seconds that divide a day evenly, as 600, 3600 or 86400' };
}

function parseIcon(text: string): Parsed<'icon'> {
  if (text === '') return { value: new Uint8Array(0) };
  const base64 = /^data:image\/[a-z+.-]+;base64,([A-Za-z0-9+/]+={0,2})$/.exec(text)?.[1];
  if (base64 === undefined) return { expected: 'expected data:image/png;base64,…' };
  const value = new Uint8Array(Buffer.from(base64, 'base64'));
  const problem = iconProblem(value);
  return problem === undefined ? { value } : { expected: problem };
}

function parseAdmins(text: string): Parsed<'admins'> {
  const items = text.split(',').map((item) => item.trim());
  const wrong = items.find((item) => publicKeyOfPeerId(item.replace(/^[+-]/, '')) === undefined);
  if (wrong !== undefined)
    return { expected: `expected PeerIds separated by commas; '${wrong.slice(0, 64)}' is none` };
  const changes = items.filter((item) => /^[+-]/.test(item));
  if (changes.length === 0) return { value: { replace: [...new Set(items)] } };
  if (changes.length < items.length) {
    return { expected: 'expected either a whole list or changes to it (+PEER,-PEER)' };
  }
  const taken = (sign: string) =>
    changes.filter((item) => item.startsWith(sign)).map((item) => item.slice(1));
  return { value: { add: taken('+'), remove: taken('-') } };
}

function descriptionProblem(text: string): string | undefined {
  // Control characters would let it write over a terminal that shows it.
  return textBytes(text) <= SETTING_LIMIT.descriptionBytes && !/\p{Cc}/u.test(text)
    ? undefined
    : `expected at most ${SETTING_LIMIT.descriptionBytes} bytes, without control characters`;
}

function iconProblem(icon: Uint8Array): string | undefined {
  if (icon.length > SETTING_LIMIT.iconBytes) {
    return `expected an icon of at most ${SETTING_LIMIT.iconBytes} bytes, got ${icon.length}`;
  }
  const head = Buffer.from(icon.subarray(0, 12)).toString('latin1');
  const isPicture = /^(\x89PNG\r\n|\xff\xd8\xff|GIF8|RIFF....WEBP)/s.test(head);
  return icon.length === 0 || isPicture ? undefined : 'expected a PNG, JPEG, GIF or WebP picture';
}

function isSubnet(subnet: string | null): boolean {
  if (subnet === null) return true;
  const parsed = parseSubnet(subnet);
  return parsed.ok && parsed.subnet === subnet;
}

function isTokenPeriod(seconds: number): boolean {
  const { tokenPeriodLeastSeconds: least, tokenPeriodMostSeconds: most } = SETTING_LIMIT;
  return isWhole(seconds, least, most) && most % seconds === 0;
}

function isWhole(value: number, least: number, most: number): boolean {
  return Number.isInteger(value) && value >= least && value <= most;
}

function withValue(expected: string, text: string): string {
  return expected.includes('got ') || text.length > 64 ? expected : `${expected}, got '${text}'`;
}

function unknownReason(key: string): string {
  const fixed = FIXED.get(key);
  if (fixed !== undefined) return `${key}: ${fixed}`;
  const near = nearestName(key, Object.keys(SETTINGS));
  return near === undefined
    ? `unknown setting '${key.slice(0, 64)}'; the settings are ${Object.keys(SETTINGS).join(', ')}`
    : `unknown setting '${key}'; did you mean ${near}?`;
}
