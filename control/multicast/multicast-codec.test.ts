/** Behaviour of the codec: what hosts and routers send is read, and all else has a reason. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ethernetFrame, u16 } from '../../test/harness/frame-builder.ts';
import { decodeFrame } from './multicast-codec.ts';
import {
  hex,
  igmp,
  ip,
  ipv4,
  leave,
  MODE,
  mld,
  oldReport,
  pimHello,
  query,
  report,
  TAP_MAC,
} from './multicast-frames.fixture.ts';
import type { Refusal } from './multicast-message.ts';
import { encodeQuery, querierAddress } from './query-frame.ts';

const LINUX_V4 = '01005e00001602ab12cd34ef080046c0';
const LINUX_V6 = '02ab12cd34ef86dd60000000';
const LINUX_ADDRESS = 'fe8000000000000000ab12fffecd34ef';
const ALERT = '3a00050200000100';
const ALL_V6_ROUTERS = 'ff020000000000000000000000000002';
const ALL_MLD2_ROUTERS = 'ff020000000000000000000000000016';
const GROUP_CD = 'ff15000000000000000000000000abcd';
const GROUP_CE = 'ff15000000000000000000000000abce';

/** What Linux 6.18 sends when sockets join and leave, as captured on an interface. */
const LINUX = {
  join3: `${LINUX_V4}0028000040000102f9f00a070002e0000016940400002200e8f90000000104000000ef010203`,
  leaveAndSource3: `${LINUX_V4}0034000040000102f9e40a070002e0000016940400002200f1a10000000203000000ef01020305000001e80001010a07004d`,
  join2: '01005e01020402ab12cd34ef080046c00020000040000102e9090a070002ef010204940400001600f8f9ef010204',
  leave2: '01005e00000202ab12cd34ef080046c00020000040000102fa0c0a070002e0000002940400001700f7f9ef010204',
  mldJoin2: `333300000016${LINUX_V6}00240001${LINUX_ADDRESS}${ALL_MLD2_ROUTERS}${ALERT}8f007cc30000000104000000${GROUP_CD}`,
  mldLeave2: `333300000016${LINUX_V6}00240001${LINUX_ADDRESS}${ALL_MLD2_ROUTERS}${ALERT}8f007dc30000000103000000${GROUP_CD}`,
  mldJoin1: `33330000abce${LINUX_V6}00200001${LINUX_ADDRESS}${GROUP_CE}${ALERT}8300e0fb00000000${GROUP_CE}`,
  mldDone1: `333300000002${LINUX_V6}00200001${LINUX_ADDRESS}${ALL_V6_ROUTERS}${ALERT}84008bdb00000000${GROUP_CE}`,
} as const;

type Shown = string | Record<string, unknown>;

/** A decoded frame as plain values. */
function shown(frame: Uint8Array): Shown {
  const result = decodeFrame(frame);
  if (typeof result === 'string') return result;
  const plain = (value: unknown): unknown => {
    if (value instanceof Uint8Array) return hex(value);
    if (Array.isArray(value)) return value.map(plain);
    if (typeof value !== 'object' || value === null) return value;
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, plain(inner)]));
  };
  return plain(result.message) as Shown;
}

const fromHex = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'hex'));
const general = { isSuppressed: false, sources: [], group: undefined, kind: 'query' };
const timing = { robustness: 2, intervalMs: 125_000 };
const wanted = (group: string, isSilentLeaver = false): Shown => ({
  kind: 'report',
  isSilentLeaver,
  records: [{ mode: 'is-ex', group: hex(ip(group)), sources: [] }],
});

function changed(...records: readonly Record<string, unknown>[]): Shown {
  const full = records.map((record) => ({ sources: [], ...record }));
  return { kind: 'report', isSilentLeaver: false, records: full };
}

const READ: readonly (readonly [string, Uint8Array, Shown])[] = [
  ['an IGMPv1 report', igmp([0x12, 0, 0, 0, 239, 1, 2, 3], { options: [] }), wanted('239.1.2.3', true)],
  ['an IGMPv2 report', oldReport('239.1.2.3'), wanted('239.1.2.3')],
  ['an IGMPv2 report with Ethernet padding', oldReport('239.1.2.3', { padding: 14 }), wanted('239.1.2.3')],
  ['a report behind two tags', oldReport('239.1.2.3', { tags: [0x2005, 7] }), wanted('239.1.2.3')],
  ['a report from no address', oldReport('239.1.2.3', { source: '0.0.0.0' }), wanted('239.1.2.3')],
  ['an IGMPv2 leave', leave('239.1.2.3'), { kind: 'leave', group: 'ef010203' }],
  ['an MLDv1 report', oldReport('ff15::abcd'), wanted('ff15::abcd')],
  ['an MLDv1 report from no address', oldReport('ff15::abcd', { source: '::' }), wanted('ff15::abcd')],
  ['an MLDv1 done', leave('ff15::abcd'), { kind: 'leave', group: hex(ip('ff15::abcd')) }],
  ["Linux's join by IGMPv3", fromHex(LINUX.join3), changed({ mode: 'to-ex', group: 'ef010203' })],
  [
    "Linux's leave and its join of one source by IGMPv3",
    fromHex(LINUX.leaveAndSource3),
    changed(
      { mode: 'to-in', group: 'ef010203' },
      { mode: 'allow', group: 'e8000101', sources: ['0a07004d'] },
    ),
  ],
  ["Linux's join by IGMPv2", fromHex(LINUX.join2), wanted('239.1.2.4')],
  ["Linux's leave by IGMPv2", fromHex(LINUX.leave2), { kind: 'leave', group: 'ef010204' }],
  ["Linux's join by MLDv2", fromHex(LINUX.mldJoin2), changed({ mode: 'to-ex', group: GROUP_CD })],
  ["Linux's leave by MLDv2", fromHex(LINUX.mldLeave2), changed({ mode: 'to-in', group: GROUP_CD })],
  ["Linux's join by MLDv1", fromHex(LINUX.mldJoin1), wanted('ff15::abce')],
  ["Linux's leave by MLDv1", fromHex(LINUX.mldDone1), { kind: 'leave', group: GROUP_CE }],
  [
    'records of every mode, with auxiliary data and one of an unknown mode',
    report([
      { mode: MODE.isIn, group: '232.0.1.1', sources: ['10.0.0.1', '10.0.0.2'], aux: 2 },
      { mode: 77, group: '232.0.1.1', sources: ['10.0.0.1'] },
      { mode: MODE.block, group: '232.0.1.2', sources: ['10.0.0.3'] },
    ]),
    {
      kind: 'report',
      isSilentLeaver: false,
      records: [
        { mode: 'is-in', group: 'e8000101', sources: ['0a000001', '0a000002'] },
        { mode: 'block', group: 'e8000102', sources: ['0a000003'] },
      ],
    },
  ],
  [
    'an IGMPv1 query',
    igmp([0x11, 0, 0, 0, 0, 0, 0, 0]),
    { ...general, maxResponseMs: 10_000, timing: undefined },
  ],
  [
    'an IGMPv2 query',
    igmp([0x11, 50, 0, 0, 0, 0, 0, 0]),
    { ...general, maxResponseMs: 5_000, timing: undefined },
  ],
  ['an IGMPv3 query', query('0.0.0.0', '10.7.0.1'), { ...general, maxResponseMs: 10_000, timing }],
  [
    'a query of sources that nobody is given up for',
    query('232.0.1.1', '10.7.0.1', { flags: 8, sources: ['10.0.0.1'] }),
    {
      kind: 'query',
      group: 'e8000101',
      sources: ['0a000001'],
      maxResponseMs: 1_000,
      isSuppressed: true,
      timing: { robustness: 8, intervalMs: 125_000 },
    },
  ],
  [
    'times as mantissa and exponent',
    igmp([0x11, 0xff, 0, 0, 0, 0, 0, 0, 2, 0xff, 0, 0]),
    { ...general, maxResponseMs: 3_174_400, timing: { robustness: 2, intervalMs: 31_744_000 } },
  ],
  ['an MLDv2 query', query('::', 'fe80::1'), { ...general, maxResponseMs: 10_000, timing }],
  [
    'an MLDv1 query',
    mld([130, 0, 0, 0, ...u16(1_000), 0, 0, ...ip('ff15::1')], { destination: 'ff15::1' }),
    {
      kind: 'query',
      group: hex(ip('ff15::1')),
      sources: [],
      maxResponseMs: 1_000,
      isSuppressed: false,
      timing: undefined,
    },
  ],
  ['a PIM hello', pimHello(), { kind: 'router' }],
];

for (const [name, frame, expected] of READ) {
  test(`${name} is read`, () => {
    assert.deepEqual(shown(frame), expected);
  });
}

const countAt = 14 + 24 + 6;
const lying = (records: number): Uint8Array => {
  const frame = report([{ mode: MODE.isEx, group: '239.1.2.3' }]);
  // The checksum is set right again, so that the count is what is at fault.
  const body = [...frame.subarray(14 + 24)];
  body.splice(6, 2, ...u16(records));
  body.splice(2, 2, 0, 0);
  assert.equal(frame[countAt + 1], 1);
  return igmp(body);
};

const REFUSED: readonly (readonly [string, Uint8Array, Refusal])[] = [
  ['nothing', new Uint8Array(0), 'other'],
  ['ARP', ethernetFrame(0x0806, new Uint8Array(28)), 'other'],
  ['UDP', ipv4(17, new Uint8Array(8), { destination: '239.1.2.3' }), 'other'],
  ['a neighbour solicitation', mld([135, 0, 0, 0, 0, 0, 0, 0, ...ip('fe80::1')], { options: [] }), 'other'],
  ['a PIM join', ipv4(103, Uint8Array.of(0x23, 0, 0, 0), {}), 'other'],
  ['an IGMP type of others', igmp([0x13, 0, 0, 0, 0, 0, 0, 0]), 'other'],
  ['a short IGMP message', igmp([0x16, 0, 0, 0, 239, 1, 2]), 'malformed'],
  ['a short MLD message', mld([131, 0, 0, 0, 0, 0, 0, 0, 0xff, 0x15]), 'malformed'],
  ['a short PIM message', ipv4(103, Uint8Array.of(0x20), {}), 'malformed'],
  ['a query of ten bytes', igmp([0x11, 100, 0, 0, 0, 0, 0, 0, 2, 125]), 'malformed'],
  ['more records than there are', lying(2), 'malformed'],
  ['65,535 records', lying(65_535), 'malformed'],
  ['a report of no group address', igmp([0x16, 0, 0, 0, 10, 1, 2, 3]), 'malformed'],
  ['a record of no group address', report([{ mode: MODE.isEx, group: '10.1.2.3' }]), 'malformed'],
  ['a leave of no group address', igmp([0x17, 0, 0, 0, 10, 1, 2, 3]), 'malformed'],
  [
    'a general query that names sources',
    query('0.0.0.0', '10.7.0.1', { sources: ['10.0.0.1'] }),
    'malformed',
  ],
  ['a wrong IGMP checksum', igmp([0x16, 0, 0, 0, 239, 1, 2, 3], { checksum: 0x1234 }), 'checksum'],
  [
    'a wrong MLD checksum',
    mld([131, 0, 0, 0, 0, 0, 0, 0, ...ip('ff15::1')], { checksum: 0x1234 }),
    'checksum',
  ],
  ['IGMP that was routed', oldReport('239.1.2.3', { hopLimit: 2 }), 'hop-limit'],
  ['MLD that was routed', oldReport('ff15::1', { hopLimit: 255 }), 'hop-limit'],
  ['MLD from a global address', oldReport('ff15::1', { source: '2001:db8::1' }), 'source'],
  ['an MLD query from no address', query('::', '::'), 'source'],
  ['MLD without options', oldReport('ff15::1', { options: [] }), 'router-alert'],
  ['MLD with other options', oldReport('ff15::1', { options: [58, 0, 1, 4, 0, 0, 0, 0] }), 'router-alert'],
  ['MLD with another alert', oldReport('ff15::1', { options: [58, 0, 5, 2, 0, 9, 1, 0] }), 'router-alert'],
  ['options beyond the packet', mld([131, 0, 0, 0], { options: [58, 9, 5, 2, 0, 0, 1, 0] }), 'malformed'],
];

for (const [name, frame, reason] of REFUSED) {
  test(`${name} is refused: ${reason}`, () => {
    assert.equal(shown(frame), reason);
  });
}

test('a wrong IPv4 checksum is refused', () => {
  const frame = oldReport('239.1.2.3');
  frame[14 + 4] = 9;

  assert.equal(shown(frame), 'checksum');
});

test('a frame that is cut anywhere is refused', () => {
  for (const frame of [fromHex(LINUX.join3), fromHex(LINUX.mldJoin2), query('::', 'fe80::1')]) {
    for (let length = 0; length < frame.length; length++) {
      assert.equal(typeof decodeFrame(frame.subarray(0, length)), 'string', `${length} bytes`);
    }
  }
});

test('any flipped bit of an MLD message is noticed', () => {
  const frame = fromHex(LINUX.mldJoin2);
  for (let at = 14 + 48; at < frame.length; at++) {
    const flipped = frame.slice();
    flipped[at] = (flipped[at] ?? 0) ^ 0x40;
    assert.equal(typeof decodeFrame(flipped), 'string', `byte ${at}`);
  }
});

const NO_TAGS = new Uint8Array(0);
const TOPICS = [
  { name: 'all IPv4 groups', family: 4, group: undefined, sources: [], to: '01005e000001' },
  { name: 'one IPv4 group', family: 4, group: '239.129.2.3', sources: [], to: '01005e010203' },
  {
    name: 'sources of an IPv4 group',
    family: 4,
    group: '232.1.2.3',
    sources: ['10.0.0.1', '10.0.0.2'],
    to: '01005e010203',
  },
  { name: 'all IPv6 groups', family: 6, group: undefined, sources: [], to: '333300000001' },
  { name: 'one IPv6 group', family: 6, group: 'ff15::1:2:3', sources: [], to: '333300020003' },
  {
    name: 'sources of an IPv6 group',
    family: 6,
    group: 'ff35::7',
    sources: ['2001:db8::1'],
    to: '333300000007',
  },
] as const;

for (const { name, family, group, sources, to } of TOPICS) {
  test(`a query of ${name} can be read, and comes from where no router does`, () => {
    const topic = { group: group === undefined ? undefined : ip(group), sources: sources.map(ip) };
    const frame = encodeQuery({ family, interfaceMac: TAP_MAC, tags: NO_TAGS }, topic);

    assert.deepEqual(shown(frame), {
      kind: 'query',
      group: topic.group === undefined ? undefined : hex(topic.group),
      sources: topic.sources.map(hex),
      maxResponseMs: group === undefined ? 10_000 : 1_000,
      isSuppressed: false,
      timing,
    });
    assert.equal(hex(frame.subarray(0, 6)), to);
    assert.notEqual(hex(frame.subarray(6, 12)), hex(TAP_MAC));
    const decoded = decodeFrame(frame);
    assert.ok(typeof decoded !== 'string');
    assert.equal(
      hex(decoded.packet.source),
      family === 4 ? '00000000' : `fe80000000000000ffff${hex(frame.subarray(6, 12))}`,
    );
  });
}

test('a query keeps the tags of those whom it asks', () => {
  const tags = Uint8Array.of(0x88, 0xa8, 0, 5, 0x81, 0, 0, 7);
  const frame = encodeQuery({ family: 6, interfaceMac: TAP_MAC, tags }, { group: undefined, sources: [] });
  const decoded = decodeFrame(frame);

  assert.ok(typeof decoded !== 'string');
  assert.equal(hex(decoded.packet.tags), hex(tags));
  assert.deepEqual(decoded.packet.source, querierAddress(TAP_MAC));
});
