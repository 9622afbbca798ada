/**
 * Writes link-datagram.json: whole link datagrams with everything that they are made of, sealed and closed by the
 * TypeScript engine. `node test/vectors/generate-dataplane.ts`; dataplane.test.ts checks the file against the plain
 * implementation of test/harness/plain-protocol.ts and against the engine.
 */
import { writeFileSync } from 'node:fs';
import {
  CIPHER_AES_256_GCM,
  CIPHER_CHACHA20_POLY1305,
  INITIAL_HOPS,
  Lane,
  Salt,
} from '../../dataplane/shm/layout.ts';
import { TABLE } from '../../dataplane/shm/memory-map.ts';
import { bytesOf, type FixtureOptions, TOKEN } from '../harness/dataplane-fixture.ts';
import { createDrivenPair, egress } from '../harness/engine-driver.ts';
import { ethernetFrame, filler, udpFrame } from '../harness/frame-builder.ts';
import { setFields } from '../harness/table-writer.ts';

/** One vector; bytes in hexadecimal, keys k1 ‖ k2 ‖ k3 ‖ k4. */
export interface LinkVector {
  readonly name: string;
  readonly cipher: 'aes-256-gcm' | 'chacha20-poly1305';
  readonly linkKeys: string;
  readonly receiver: number;
  readonly linkCounter: string;
  readonly kind: number;
  readonly flags: number;
  readonly hops: number;
  readonly class: number;
  readonly token: string;
  readonly frameKey: string;
  readonly maskKey: string;
  readonly leafLane: number;
  readonly salt: string;
  readonly frameCounter: number;
  readonly plain: string;
  readonly datagram: string;
}

interface Case {
  readonly name: string;
  readonly frame: Uint8Array;
  readonly isPairwise: boolean;
  readonly class: number;
  readonly linkCounter: bigint;
  readonly frameCounter: number;
}

const BROADCAST = new Uint8Array(6).fill(0xff);
const CASES: readonly Case[] = [
  {
    name: 'unicast, the first of a lane and of a salt',
    frame: ethernetFrame(0x88b5, filler(46)),
    isPairwise: true,
    class: 0,
    linkCounter: 0n,
    frameCounter: 0,
  },
  {
    name: 'broadcast, a header alone',
    frame: ethernetFrame(0x0806, new Uint8Array(0), { destination: BROADCAST }),
    isPairwise: false,
    class: 0,
    linkCounter: 0x01_0000_0000n,
    frameCounter: 0x1_0000,
  },
  {
    name: 'unicast of 802.1p priority 5, last counters',
    frame: udpFrame({ payload: filler(1300), tags: [0xa064] }).bytes,
    isPairwise: true,
    class: 5,
    linkCounter: 0xff_ffff_ffffn,
    frameCounter: 0xffff_fffe,
  },
];

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

/** The vectors as the engine makes them. */
export function makeVectors(): LinkVector[] {
  const ciphers = [
    [CIPHER_AES_256_GCM, 'aes-256-gcm'],
    [CIPHER_CHACHA20_POLY1305, 'chacha20-poly1305'],
  ] as const;
  return ciphers.flatMap(([cipher, name]) => CASES.map((item) => makeVector(item, { cipher }, name)));
}

function makeVector(item: Case, options: FixtureOptions, cipher: LinkVector['cipher']): LinkVector {
  const { left } = createDrivenPair(options);
  setFields(left.tables.buffer, Lane, TABLE.lanes + left.lane * Lane.size, {
    txCounterLow: Number(item.linkCounter & 0xffff_ffffn),
    txCounterHigh: Number(item.linkCounter >> 32n),
  });
  setFields(left.tables.buffer, Salt, TABLE.salts, { counter: item.frameCounter });
  const [datagram] = egress(left, [{ bytes: item.frame }]);
  if (datagram === undefined) throw new Error(`${item.name}: nothing was sent`);
  return {
    name: item.name,
    cipher,
    linkKeys: hex(bytesOf('left link keys', 128)),
    receiver: (0x4321 << 13) | 9,
    linkCounter: item.linkCounter.toString(),
    kind: 1,
    flags: item.isPairwise ? 1 : 0,
    hops: INITIAL_HOPS,
    class: item.class,
    token: hex(item.isPairwise ? TOKEN.right : TOKEN.broadcast),
    frameKey: hex(bytesOf(item.isPairwise ? 'left pair key' : 'left group key', 32)),
    maskKey: hex(bytesOf('mask key', 32)),
    leafLane: 0xa1,
    salt: hex(bytesOf('left salt', 6)),
    frameCounter: item.frameCounter,
    plain: hex(item.frame),
    datagram: hex(datagram),
  };
}

if (import.meta.main) {
  const file = new URL('./link-datagram.json', import.meta.url);
  writeFileSync(file, `${JSON.stringify(makeVectors(), undefined, 2)}\n`);
}
