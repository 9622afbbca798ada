/**
 * Messages of the trunk stream: bytes from a peer to checked values, and back.
 *
 * Main thread, pure. `decodeTrunkMessage` never throws whatever the bytes are: what it returns is either a
 * message whose every field lies in its range, or a code and a sentence. Nothing outside reads a decoded
 * field that was not checked here. The wire format is trunk.proto's.
 */

import { ipFromBytes, ipToBytes } from '../ip-text.ts';
import type { Carrier, DatagramAddress, TrunkChannel, TrunkErrorCode } from '../trunk-port.ts';
import { check, exactly, Malformed, printable, texts, within } from './field-checks.ts';
import type * as wire from './trunk-codec.ts';
import { TrunkMessage as TrunkCodec } from './trunk-codec.ts';

export const TRUNK_VERSION_MIN = 1;
export const TRUNK_VERSION_MAX = 1;

/** Protocol limit, section 2; also what control/network enforces on the frame. */
export const MESSAGE_MAX_BYTES = 65_536;
export const INCARNATION_BYTES = 16;
export const SESSION_BYTES = 16;
export const X25519_KEY_BYTES = 32;
/** FIPS 203, table 3: ML-KEM-768. */
export const ML_KEM_PUBLIC_KEY_BYTES = 1_184;
export const ML_KEM_CIPHERTEXT_BYTES = 1_088;
export const MEET_TAG_BYTES = 16;
/** 256 VLANs a node. */
export const MEET_TAGS_MAX = 256;
export const WORKERS_MAX = 16;
/** A lane number per carrier, and two carriers; unknown carriers of later versions have room to be skipped. */
export const LANE_OFFERS_MAX = 64;
/** Section 2: at most 8 candidates a lane. */
export const DATAGRAM_ADDRESSES_MAX = 8;
export const LISTEN_ADDRESSES_MAX = 8;
/** RFC 8200 §5's 1,280 less the IPv6 and UDP headers: every path carries it. */
export const BASE_MTU_BYTES = 1_232;
/** Room for 4,000 tokens; the rest of a message is its tags and lengths. */
export const CHANNEL_BODY_MAX_BYTES = 65_000;
const CHANNELS: readonly TrunkChannel[] = ['routes', 'tree', 'trace'];
const GENERATION_MAX = 0xffff_ffff;

export interface LaneOffer {
  readonly carrier: Carrier;
  readonly lane: number;
  readonly receiverIndex: number;
}

export interface Party {
  readonly incarnation: Uint8Array;
  readonly workers: number;
  readonly linkMtuBytes: number;
  readonly features: readonly string[];
  readonly roles: readonly string[];
  readonly lanes: readonly LaneOffer[];
  readonly datagramAddresses: readonly DatagramAddress[];
  /** As bound; with the connection's remote IP it makes one more candidate. 0: no datagram socket. */
  readonly datagramPort: number;
  readonly listenAddresses: readonly string[];
}

export interface Hello {
  readonly kind: 'hello';
  readonly session: Uint8Array;
  readonly generation: number;
  readonly x25519PublicKey: Uint8Array;
  readonly mlKemPublicKey: Uint8Array;
  readonly party: Party;
  readonly rekey: boolean;
}

export interface HelloReply {
  readonly kind: 'hello-reply';
  readonly version: number;
  readonly session: Uint8Array;
  readonly generation: number;
  readonly x25519PublicKey: Uint8Array;
  readonly mlKemCiphertext: Uint8Array;
  readonly party: Party;
}

export interface Meet {
  readonly kind: 'meet';
  readonly tags: readonly Uint8Array[];
}

export interface RekeyRequest {
  readonly kind: 'rekey-request';
  readonly lanes: readonly LaneOffer[];
}

/** What another part of the daemon says to its like at the peer; its form is that part's affair. */
export interface ChannelBody {
  readonly kind: 'body';
  readonly channel: TrunkChannel;
  readonly body: Uint8Array;
}

/** Addresses for hole punching, see punching.ts. */
export interface Candidates {
  readonly kind: 'candidates';
  readonly isAnswer: boolean;
  readonly lanes: readonly LaneCandidates[];
  readonly paddingBytes: number;
}

export interface LaneCandidates {
  readonly lane: number;
  readonly addresses: readonly DatagramAddress[];
}

export interface Bye {
  readonly kind: 'bye';
  readonly code: TrunkErrorCode;
  readonly detail: string;
}

export type TrunkMessage = Hello | HelloReply | Meet | RekeyRequest | ChannelBody | Candidates | Bye;

export type TrunkDecodeResult =
  | { readonly ok: true; readonly message: TrunkMessage }
  | { readonly ok: false; readonly code: 'malformed-message' | 'version-mismatch'; readonly detail: string };

const ERROR_CODES: ReadonlySet<string> = new Set<TrunkErrorCode>([
  'going-away',
  'version-mismatch',
  'malformed-message',
  'unexpected-message',
  'handshake-timeout',
  'handshake-failed',
  'unknown-session',
  'too-many-trunks',
  'too-many-handshakes',
  'duplicate-stream',
  'not-authorised',
  'rejected',
]);

/**
 * Reads one message.
 *
 * @param bytes - a whole message without its length prefix; copied where kept
 * @returns the message, or why it is none; never throws
 */
export function decodeTrunkMessage(bytes: Uint8Array): TrunkDecodeResult {
  if (bytes.length > MESSAGE_MAX_BYTES) {
    return {
      ok: false,
      code: 'malformed-message',
      detail: `message of ${bytes.length} bytes, limit ${MESSAGE_MAX_BYTES}`,
    };
  }
  try {
    const decoded = TrunkCodec.decode(bytes);
    const mismatch = decoded.hello === undefined ? undefined : versionMismatch(decoded.hello);
    if (mismatch !== undefined) {
      return { ok: false, code: 'version-mismatch', detail: mismatch };
    }
    return { ok: true, message: checkMessage(decoded) };
  } catch (cause) {
    // The codec throws on truncation, bad wire types and nesting; Malformed says which field is out of range.
    return {
      ok: false,
      code: 'malformed-message',
      detail: cause instanceof Malformed ? cause.message : 'not a trunk message',
    };
  }
}

/** @returns the message's bytes without a length prefix, at most `MESSAGE_MAX_BYTES` for values within limits */
export function encodeTrunkMessage(message: TrunkMessage): Uint8Array {
  switch (message.kind) {
    case 'hello':
      return TrunkCodec.encode({
        hello: {
          minVersion: TRUNK_VERSION_MIN,
          maxVersion: TRUNK_VERSION_MAX,
          session: own(message.session),
          generation: message.generation,
          x25519PublicKey: own(message.x25519PublicKey),
          mlKemPublicKey: own(message.mlKemPublicKey),
          party: wireParty(message.party),
          rekey: message.rekey,
        },
      });
    case 'hello-reply':
      return TrunkCodec.encode({
        helloReply: {
          version: message.version,
          session: own(message.session),
          generation: message.generation,
          x25519PublicKey: own(message.x25519PublicKey),
          mlKemCiphertext: own(message.mlKemCiphertext),
          party: wireParty(message.party),
        },
      });
    case 'meet':
      return TrunkCodec.encode({ meet: { tags: message.tags.map(own) } });
    case 'rekey-request':
      return TrunkCodec.encode({ rekeyRequest: { lanes: message.lanes.map(wireLane) } });
    case 'body':
      return TrunkCodec.encode({ [message.channel]: { body: own(message.body) } });
    case 'candidates':
      return TrunkCodec.encode({
        candidates: {
          isAnswer: message.isAnswer,
          lanes: message.lanes.map(({ lane, addresses }) => ({
            lane,
            addresses: addresses.map(wireAddress),
          })),
          padding: new Uint8Array(message.paddingBytes),
        },
      });
    case 'bye':
      return TrunkCodec.encode({
        bye: {
          code: message.code,
          detail: message.detail,
          minVersion: TRUNK_VERSION_MIN,
          maxVersion: TRUNK_VERSION_MAX,
        },
      });
  }
}

function versionMismatch(hello: wire.Hello): string | undefined {
  const isCommon = hello.minVersion <= TRUNK_VERSION_MAX && hello.maxVersion >= TRUNK_VERSION_MIN;
  const isRange = hello.minVersion <= hello.maxVersion;
  return isCommon && isRange
    ? undefined
    : `the peer speaks trunk versions ${hello.minVersion} to ${hello.maxVersion}, this node ${TRUNK_VERSION_MIN} to ${TRUNK_VERSION_MAX}`;
}

function checkMessage(decoded: wire.TrunkMessage): TrunkMessage {
  const present = Object.values(decoded).filter((value) => value !== undefined).length;
  check(present <= 1, 'more than one message in a frame');
  if (decoded.hello !== undefined) {
    return checkHello(decoded.hello);
  }
  if (decoded.helloReply !== undefined) {
    return checkHelloReply(decoded.helloReply);
  }
  if (decoded.meet !== undefined) {
    check(decoded.meet.tags.length <= MEET_TAGS_MAX, `meet.tags: expected at most ${MEET_TAGS_MAX}`);
    return { kind: 'meet', tags: decoded.meet.tags.map((tag) => exactly(tag, MEET_TAG_BYTES, 'meet.tags')) };
  }
  if (decoded.rekeyRequest !== undefined) {
    return { kind: 'rekey-request', lanes: checkLanes(decoded.rekeyRequest.lanes) };
  }
  for (const channel of CHANNELS) {
    const said = decoded[channel];
    if (said !== undefined) {
      return checkBody(channel, said.body);
    }
  }
  if (decoded.candidates !== undefined) {
    return checkCandidates(decoded.candidates);
  }
  if (decoded.bye !== undefined) {
    const code = ERROR_CODES.has(decoded.bye.code) ? (decoded.bye.code as TrunkErrorCode) : 'rejected';
    return { kind: 'bye', code, detail: printable(decoded.bye.detail) };
  }
  throw new Malformed('an empty message');
}

function checkCandidates(candidates: wire.Candidates): Candidates {
  check(candidates.lanes.length <= WORKERS_MAX, `candidates.lanes: expected at most ${WORKERS_MAX}`);
  const lanes = candidates.lanes.map(({ lane, addresses }) => {
    check(
      addresses.length <= DATAGRAM_ADDRESSES_MAX,
      `candidates.addresses: expected at most ${DATAGRAM_ADDRESSES_MAX}`,
    );
    within(lane, 0, WORKERS_MAX - 1, 'candidates.lane');
    return { lane, addresses: addresses.map((address) => checkAddress(address, 'candidates.addresses')) };
  });
  check(new Set(lanes.map(({ lane }) => lane)).size === lanes.length, 'candidates.lanes: a lane twice');
  return {
    kind: 'candidates',
    isAnswer: candidates.isAnswer,
    lanes,
    paddingBytes: candidates.padding.length,
  };
}

function checkBody(channel: TrunkChannel, body: Uint8Array): ChannelBody {
  check(
    body.length > 0 && body.length <= CHANNEL_BODY_MAX_BYTES,
    `${channel}.body: expected 1..${CHANNEL_BODY_MAX_BYTES} bytes`,
  );
  return { kind: 'body', channel, body: Uint8Array.from(body) };
}

function checkHello(hello: wire.Hello): Hello {
  return {
    kind: 'hello',
    session: exactly(hello.session, SESSION_BYTES, 'hello.session'),
    generation: within(hello.generation, 1, GENERATION_MAX, 'hello.generation'),
    x25519PublicKey: exactly(hello.x25519PublicKey, X25519_KEY_BYTES, 'hello.x25519PublicKey'),
    mlKemPublicKey: exactly(hello.mlKemPublicKey, ML_KEM_PUBLIC_KEY_BYTES, 'hello.mlKemPublicKey'),
    party: checkParty(hello.party),
    rekey: hello.rekey,
  };
}

function checkHelloReply(reply: wire.HelloReply): HelloReply {
  return {
    kind: 'hello-reply',
    version: within(reply.version, TRUNK_VERSION_MIN, TRUNK_VERSION_MAX, 'helloReply.version'),
    session: exactly(reply.session, SESSION_BYTES, 'helloReply.session'),
    generation: within(reply.generation, 1, GENERATION_MAX, 'helloReply.generation'),
    x25519PublicKey: exactly(reply.x25519PublicKey, X25519_KEY_BYTES, 'helloReply.x25519PublicKey'),
    mlKemCiphertext: exactly(reply.mlKemCiphertext, ML_KEM_CIPHERTEXT_BYTES, 'helloReply.mlKemCiphertext'),
    party: checkParty(reply.party),
  };
}

function checkParty(party: wire.Party | undefined): Party {
  if (party === undefined) {
    throw new Malformed('party: missing');
  }
  check(
    party.datagramAddresses.length <= DATAGRAM_ADDRESSES_MAX,
    `party.datagramAddresses: expected at most ${DATAGRAM_ADDRESSES_MAX}`,
  );
  check(
    party.listenAddresses.length <= LISTEN_ADDRESSES_MAX,
    `party.listenAddresses: expected at most ${LISTEN_ADDRESSES_MAX}`,
  );
  return {
    incarnation: exactly(party.incarnation, INCARNATION_BYTES, 'party.incarnation'),
    workers: within(party.workers, 1, WORKERS_MAX, 'party.workers'),
    linkMtuBytes: within(party.linkMtuBytes, BASE_MTU_BYTES, 0xffff, 'party.linkMtuBytes'),
    features: texts(party.features, 'party.features'),
    roles: texts(party.roles, 'party.roles'),
    lanes: checkLanes(party.lanes),
    datagramAddresses: party.datagramAddresses.map((address) =>
      checkAddress(address, 'party.datagramAddresses'),
    ),
    datagramPort: within(party.datagramPort, 0, 0xffff, 'party.datagramPort'),
    listenAddresses: texts(party.listenAddresses, 'party.listenAddresses'),
  };
}

function checkLanes(lanes: readonly wire.Lane[]): LaneOffer[] {
  check(lanes.length <= LANE_OFFERS_MAX, `lanes: expected at most ${LANE_OFFERS_MAX}`);
  const offers: LaneOffer[] = [];
  const seen = new Set<string>();
  for (const { carrier, lane, receiverIndex } of lanes) {
    if (carrier !== 1 && carrier !== 2) {
      continue;
    }
    within(lane, 0, WORKERS_MAX - 1, 'lane');
    check(!seen.has(`${carrier}/${lane}`), `lanes: lane ${lane} twice`);
    seen.add(`${carrier}/${lane}`);
    offers.push({ carrier: carrier === 1 ? 'udp' : 'stream', lane, receiverIndex });
  }
  return offers;
}

function checkAddress(address: wire.DatagramAddress, field: string): DatagramAddress {
  const ip = ipFromBytes(address.ip);
  if (ip === undefined) {
    throw new Malformed(`${field}: expected 4 or 16 bytes`);
  }
  return { ip, port: within(address.port, 1, 0xffff, `${field}.port`) };
}

function own(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return new Uint8Array(bytes);
}

function wireLane(offer: LaneOffer): wire.Lane {
  return { carrier: offer.carrier === 'udp' ? 1 : 2, lane: offer.lane, receiverIndex: offer.receiverIndex };
}

function wireAddress({ ip, port }: DatagramAddress): wire.DatagramAddress {
  return { ip: own(ipToBytes(ip) ?? new Uint8Array(4)), port };
}

function wireParty(party: Party): wire.Party {
  return {
    incarnation: own(party.incarnation),
    workers: party.workers,
    linkMtuBytes: party.linkMtuBytes,
    features: [...party.features],
    roles: [...party.roles],
    lanes: party.lanes.map(wireLane),
    datagramAddresses: party.datagramAddresses.map(wireAddress),
    listenAddresses: [...party.listenAddresses],
    limits: { maxLanes: WORKERS_MAX, maxMeetTags: MEET_TAGS_MAX },
    datagramPort: party.datagramPort,
  };
}
