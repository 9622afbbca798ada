/**
 * Every structure that two threads, or TypeScript and Rust, share. Any thread; pure data. The Rust mirror
 * (rust-accel/src/layout.rs) is generated from this file, with the same digest.
 *
 * Two kinds of SharedArrayBuffer:
 *
 *   tables, one a daemon; the main thread is the only writer but for the fields marked "worker":
 *   ┌ TablesHeader ┬ Vlan[] ┬ Epoch[] ┬ Set[] ┬ Segment[] ┬ Trunk[] ┬ Lane[] ┬ lane windows ┬ FrameKey[] ┬ Salt[] ┐
 *   └ RxSender[] ┴ sender windows ┴ Station[] ┴ recent frames ┴ Token[] (last: its capacity is chosen at start) ────┘
 *   arena, one a worker: header, TAP queues, counters, descriptors of the current batch, buffers, rings.
 *
 * All integers little-endian, all offsets in bytes from the start of their buffer. Slot 0 of a table is valid;
 * NONE means "no slot". A slot's `version` is odd while the main thread writes it (see shm/tables.ts).
 */
import { struct } from './struct.ts';

/** "No slot". */
export const NONE = 0xffff_ffff;

/** Every limit of the shared tables; see the comment at each for its reason. */
export const LIMIT = {
  /** A worker is a thread on a core; sixteen saturate what one trunk's lanes may be. */
  workers: 16,
  vlans: 256,
  /** Queues that a worker may have of one TAP; a power of two. */
  tapQueues: 8,
  /** Three UTC days or two MLS epochs for each VLAN, and one being replaced. */
  epochs: 1024,
  /** Power of two. Equal sets share a slot; a segment has one for its ports and one for each way that its tokens go. */
  sets: 4096,
  /** One for each epoch of a VLAN here, and those that are carried for others; quotas keep a neighbour from taking all. */
  segments: 4096,
  /** Trunks in one forwarding set, hence members of one VLAN in a full mesh: groups of 500 are what membership is made for. */
  setTrunks: 508,
  trunks: 1024,
  /** Power of two: the low bits of a receiver index are the slot. */
  lanes: 8192,
  laneBits: 13,
  lanesPerTrunk: 16,
  frameKeys: 65_536,
  salts: 8192,
  /** Power of two: an open-addressed table, at most half full. */
  rxSenders: 8192,
  /** Power of two: likewise. */
  stations: 65_536,
  /** Slots looked at before a table says "not there" or "full". */
  probes: 32,
  /** Replay windows, link and end to end (protocol sections 3 and 4). */
  windowCounters: 8192,
  /** Power of two: half a megabyte, and room for two seconds of 32,000 flooded datagrams a second. */
  recentFrames: 65_536,
} as const;

/** Default capacity of the token table in slots; a power of two. A relay of 100,000 tokens finds each in a probe or two. */
export const DEFAULT_TOKEN_CAPACITY = 262_144;

export const TablesHeader = struct('TablesHeader', 192, {
  magic: 'u32',
  digest: 'u32',
  workerCount: 'u32',
  tokenCapacity: 'u32',
  /** Keys of the table hash, random a process (see shm/table-hash.ts). */
  hashKey0: 'u32',
  hashKey1: 'u32',
  /** Any worker adds one and notifies when its event ring has something for the main thread. */
  mainWake: 'u32',
  /** Not 0: workers leave their loop. */
  shutdown: 'u32',
  /** RELAY_LIMITED: what is relayed in foreign segments takes of the credits below. */
  relayFlags: 'u32',
  padRelay: ['u32', 23],
  // Workers take, atomically; main refills every 100 ms. As in Trunk, and for all trunks together.
  relayDatagramCredits: 'u32',
  relayByteCredits: 'u32',
});

export const Vlan = struct('Vlan', 64, {
  version: 'u32',
  /** 0 free, 1 live. */
  state: 'u32',
  /** MTU of the TAP, without the Ethernet header. */
  mtuBytes: 'u32',
  /** Epoch to seal under, or NONE. */
  txEpoch: 'u32',
  /** Set of the trunks that this VLAN is flooded to, or NONE. */
  floodSet: 'u32',
  /** VLAN_*. */
  flags: 'u32',
  /** Hops that a flooded frame starts with: 1 where the set reaches every member itself. */
  floodHops: 'u32',
  /** Largest link datagram on the way to all members, at least PATH_MIN_BYTES; 0: as large as the set's trunks take. */
  floodPathBytes: 'u32',
});

export const Epoch = struct('Epoch', 192, {
  version: 'u32',
  /** 0 free, 1 live. */
  state: 'u32',
  vlan: 'u32',
  /** CIPHER_*. */
  cipher: 'u32',
  segment: ['u8', 16],
  /** K_token: workers derive the tokens that they send under (protocol section 5). */
  tokenKey: ['u8', 32],
  maskKey: ['u8', 32],
  /** Frame key of each worker for group-sealed frames, or NONE; one word, changed at once. */
  groupKeys: ['u32', 16],
  /** Token period to send under; one word, changed at once. */
  period: 'u32',
  /** Names this incarnation of the slot, never 0; engines cache key schedules and tokens by it. */
  serial: 'u32',
});

export const ForwardSet = struct('ForwardSet', 1024, {
  version: 'u32',
  count: 'u32',
  trunks: ['u16', 508],
});

/**
 * A VLAN's spanning tree as relays see it (protocol section 5): what its tokens have in common. A datagram is passed on
 * only when it came from one of its ports.
 */
export const Segment = struct('Segment', 128, {
  version: 'u32',
  /** 0 free, 1 live. */
  state: 'u32',
  /** Set of its forwarding ports, or NONE; one word, changed at once. */
  ports: 'u32',
  /** SEGMENT_*. */
  flags: 'u32',
  pad: ['u32', 12],
  // Workers add atomically, a run at a time; they wrap, and the main thread adds up differences. Copies count each.
  relayedDatagrams: 'u32',
  relayedBytes: 'u32',
  /** Datagrams refused by quota or fairness. */
  refusedDatagrams: 'u32',
});

export const Trunk = struct('Trunk', 192, {
  version: 'u32',
  /** 0 free, 1 live. */
  state: 'u32',
  /** Largest link datagram (UDP payload) that the present carrier takes to the peer. */
  datagramMtuBytes: 'u32',
  /** CARRIER_*. */
  carrier: 'u32',
  /** Lanes 0 … laneCount-1 below are meaningful. */
  laneCount: 'u32',
  /** Lane slots to send on, or NONE; lane k belongs to worker k mod workerCount. */
  lanes: ['u32', 16],
  /** RELAY_LIMITED: what comes from it in foreign segments takes of the credits below; one word, changed at once. */
  relayFlags: 'u32',
  padRelay: ['u32', 10],
  // Workers add atomically, a run at a time; they wrap. What came from this trunk and was passed on, copies each.
  relayedDatagrams: 'u32',
  relayedBytes: 'u32',
  /** Datagrams refused by quota or fairness. */
  refusedDatagrams: 'u32',
  /** Datagrams that had come before by another way: a trunk that keeps bringing them closes a loop. */
  copies: 'u32',
  // Workers take, atomically; main refills every 100 ms. Signed: a run may take more than is left, and the debt is paid.
  relayDatagramCredits: 'u32',
  relayByteCredits: 'u32',
});

export const Lane = struct('Lane', 512, {
  version: 'u32',
  /** LANE_*: free, receives, receives and sends. */
  state: 'u32',
  generation: 'u32',
  /** The worker here that owns it. */
  worker: 'u32',
  trunk: 'u32',
  carrier: 'u32',
  /** What the peer writes into bytes 4‥7: random bits ‖ slot. */
  localIndex: 'u32',
  peerIndex: 'u32',
  rxKeys: ['u8', 128], // k1 k2 k3 k4
  rxLinkToken: ['u8', 16],
  txKeys: ['u8', 128],
  txLinkToken: ['u8', 16],
  /** A struct sockaddr_in or sockaddr_in6 as the kernel takes it. */
  address: ['u8', 28],
  addressBytes: 'u32',
  /** Source address for IP_PKTINFO (4 bytes) or IPV6_PKTINFO (16); all zero: the kernel chooses. */
  sourceAddress: ['u8', 16],
  /** Hard stop on the workers' millisecond clock (ArenaHeader.nowMs). */
  notAfterMs: 'u32',
  /** Names this incarnation of the slot; engines cache key schedules by it. */
  keySerial: 'u32',
  // Worker: written by the owning worker only. A 48-bit number is low word, high word.
  txCounterLow: 'u32',
  txCounterHigh: 'u32',
  rxHighestLow: 'u32',
  rxHighestHigh: 'u32',
  /** Datagrams whose blocks were opened, failures included; the lane stops at 2^40. */
  rxOpened: 'f64',
  /** Datagrams that entered the window. */
  rxAccepted: 'f64',
  txDatagrams: 'f64',
  txBytes: 'f64',
  rxBytes: 'f64',
  lastRxMs: 'u32',
  lastTxMs: 'u32',
});

/** A lane's replay window: one bit a counter, a ring by counter mod 8,192; the owning worker's alone. */
export const LANE_WINDOW_WORDS = LIMIT.windowCounters / 32;

export const FrameKey = struct('FrameKey', 64, {
  version: 'u32',
  /** 0 free, 1 live. */
  state: 'u32',
  cipher: 'u32',
  /** Salt under which this worker seals with it (tx), or NONE (rx). */
  salt: 'u32',
  /** Names this incarnation of the slot; engines cache key schedules by it. */
  keySerial: 'u32',
  reserved: 'u32',
  key: ['u8', 32],
});

export const Salt = struct('Salt', 32, {
  version: 'u32',
  state: 'u32',
  worker: 'u32',
  /** leaf u24 | lane u8 << 24: the sender field's first word. */
  leafLane: 'u32',
  saltLow: 'u32',
  /** 16 bits. */
  saltHigh: 'u32',
  /** Worker: the next frame's counter; main sets it to 0 before the salt is published. */
  counter: 'u32',
});

export const RxSender = struct('RxSender', 64, {
  version: 'u32',
  /** SLOT_*. */
  state: 'u32',
  epoch: 'u32',
  leafLane: 'u32',
  saltLow: 'u32',
  saltHigh: 'u32',
  /** Frame key of group-sealed frames from this sender, or NONE. */
  groupKey: 'u32',
  /** Frame key of frames sealed for this node alone, or NONE. */
  pairKey: 'u32',
  /** Frames below this counter are refused (the announced counter). */
  firstCounter: 'u32',
  /** The announcing member, as control numbers them. */
  member: 'u32',
});

/**
 * An end-to-end replay window that several workers touch: word i holds the block (16 counters) whose number is
 * i mod 512, as tag u16 (block number / 512) << 16 | bitmap u16, changed by compare-and-swap. `highest` is the
 * highest block number seen plus one (0: none), raised by compare-and-swap.
 */
export const SenderWindow = struct('SenderWindow', 2112, {
  highest: 'u32',
  reserved: ['u32', 15],
  words: ['u32', 512],
});
/** Each rx sender slot has two windows: group-sealed at index 0, pairwise at 1. */
export const WINDOWS_PER_SENDER = 2;

export const Station = struct('Station', 64, {
  version: 'u32',
  /** SLOT_*. */
  state: 'u32',
  vlan: 'u32',
  /** First four bytes of the MAC as they lie in memory, read little-endian. */
  macLow: 'u32',
  /** The last two. */
  macHigh: 'u32',
  /** STATION_LOCAL | STATION_ENFORCED, or STATION_REMOTE or STATION_GROUP, | STATION_SET. */
  flags: 'u32',
  /** Remote: trunk towards its member; with STATION_SET and for groups: a set of them. Or NONE. */
  trunk: 'u32',
  /**
   * Remote: pairwise frame key of worker 0 (worker w's is at + w) | epoch << 16, or NONE. One word, so that a station
   * goes over to another epoch at once: its member may have another than the VLAN's txEpoch.
   */
  route: 'u32',
  /** Remote: whom it is behind; as in RxSender. */
  member: 'u32',
  /** Worker: ArenaHeader.nowMs when last heard; a group's: when last sent to. */
  lastSeenMs: 'u32',
  /** Largest link datagram on the whole way, at least PATH_MIN_BYTES; 0: as large as its trunks take. */
  pathMtuBytes: 'u32',
});

export const Token = struct('Token', 48, {
  version: 'u32',
  /** SLOT_*. */
  state: 'u32',
  token: ['u8', 16],
  epoch: 'u32',
  /** TOKEN_*. */
  flags: 'u32',
  /** Set of the trunks that its datagrams are passed on to, or NONE: to none. */
  set: 'u32',
  /** Slot of its segment, or NONE: it is delivered here at most. */
  segment: 'u32',
});

/**
 * A datagram that was let through lately, at the lower bits of its hash (see pipeline/recent-frames.ts): the other half of
 * the hash, and when it came with the rest of the first half. Workers exchange both words atomically.
 */
export const RecentFrame = struct('RecentFrame', 8, { hash: 'u32', timeAndTag: 'u32' });

// ---------------------------------------------------------------- arena

/** Limits of one batch and the buffers that hold it. */
export const BATCH = {
  frames: 64,
  txDatagrams: 2048,
  /** A flooded frame becomes a train for each trunk of its set: 64 frames to 508 trunks. */
  trains: 32_768,
  messages: 32,
  rxDatagrams: 2048,
  writes: 2048,
  iovecs: 4096,
  punts: 2048,
  seen: 32,
  /** IGMP, MLD and PIM frames told of one batch of a TAP, and the bytes that they take. */
  snooped: 16,
  snoopedBytes: 32_768,
  /** Bytes after which reading the TAP stops; one super-frame more may be on top. */
  tapBudgetBytes: 65_536,
  messageBytes: 65_536,
  /** Reassemblies under way in one worker. */
  reassemblies: 128,
  reassemblyBytes: 65_536,
  /** What one sender (leaf, lane, salt) may hold in one worker. */
  reassembliesPerSender: 8,
} as const;

export const ArenaHeader = struct('ArenaHeader', 256, {
  magic: 'u32',
  digest: 'u32',
  worker: 'u32',
  /** Which start of this worker it is; 1 is the first. */
  incarnation: 'u32',
  udpFd: 'i32',
  /** An eventfd: main or another worker wrote to a ring, or changed the TAP queues. */
  wakeFd: 'i32',
  /** OFFLOAD_* that are on. */
  offloads: 'u32',
  /** Most datagrams a GSO send takes (1: no GSO). */
  gsoSegments: 'u32',
  /** 0 IPv4, 1 IPv6 (dual stack): the family of udpFd. */
  ipv6: 'u32',
  /** Longest window that a worker may choose to spin in before it sleeps, in microseconds (workers/spin.ts). */
  spinLimitUs: 'u32',
  /** Raised by main after a TAP queue of this worker changed. */
  tapGeneration: 'u32',
  /** Not 0: the worker throws at its next batch (tests of the supervisor). */
  crashRequest: 'u32',
  // Worker.
  /** Raised at each turn of the loop; main compares it before a slot is used again. */
  turns: 'u32',
  /** CLOCK_MONOTONIC in milliseconds modulo 2^32, set by wait(). */
  nowMs: 'u32',
  /** How long wait() is to spin if it is told to. */
  spinUs: 'u32',
  /** How long the last wait() took, and how much of it was spinning, in microseconds. */
  waitedUs: 'u32',
  spunUs: 'u32',
  /** READY_* after wait(). */
  ready: 'u32',
  /** How many of `readyTaps` (TapQueue indices) are meaningful after wait(). */
  readyTapCount: 'u32',
  txDatagramCount: 'u32',
  txBytes: 'u32',
  puntCount: 'u32',
  seenCount: 'u32',
  nextFragmentId: 'u32',
  /** RX_LOCAL datagrams that the last forward left. */
  localCount: 'u32',
  /** Trains that were laid where a batch stopped for one that is held; those that went have a count of 0. 0: none is held. */
  heldTrains: 'u32',
  /** 1 once the worker's loop runs. */
  running: 'u32',
  /**
   * Bytes received in a row without finding the socket empty, with what the kernel keeps beside them: how long a queue stands
   * there. Set by receive().
   */
  standingBytes: 'u32',
  snoopedCount: 'u32',
});

/** One of this worker's queues of a VLAN's TAP: queue q of VLAN v is at index q × LIMIT.vlans + v. */
export const TapQueue = struct('TapQueue', 16, {
  version: 'u32',
  /** -1: there is none. */
  fd: 'i32',
  /** 1: readable and writable; 0: detached. */
  attached: 'u32',
  /** At queue 0: how many queues of this TAP the worker has, a power of two; 0 means one. */
  queues: 'u32',
});
export const TAP_QUEUE_SLOTS = LIMIT.vlans * LIMIT.tapQueues;

/** One frame read from a TAP. */
export const FrameDescriptor = struct('FrameDescriptor', 80, {
  /** Of the Ethernet header. */
  offset: 'u32',
  length: 'u32',
  vlan: 'u32',
  /** virtio_net_hdr: flags | gso_type << 8. */
  virtioFlags: 'u32',
  gsoSize: 'u32',
  csumStart: 'u32',
  csumOffset: 'u32',
  // classify
  /** FRAME_*. */
  verdict: 'u32',
  epoch: 'u32',
  frameKey: 'u32',
  /** FRAME_UNICAST: the trunk; FRAME_FLOOD and FRAME_SET: the set. */
  destination: 'u32',
  token: ['u8', 16],
  /** Least datagramMtuBytes towards the destination. */
  datagramMtuBytes: 'u32',
  flowHash: 'u32',
  /** 802.1p priority, or the DSCP's upper three bits. */
  class: 'u32',
  /** To start with. */
  hops: 'u32',
});

/** One link datagram to be sealed and sent. Bytes 0‥31 of its place are written by closeLink, per trunk. */
export const TxDatagram = struct('TxDatagram', 64, {
  offset: 'u32',
  /** Whole: 48 + plaintext + 16. */
  length: 'u32',
  frameKey: 'u32',
  epoch: 'u32',
  /** The sender field, unmasked. */
  sender: ['u32', 4],
  token: ['u8', 16],
  /** kind | flags << 4 | hops << 8 | class << 16. */
  control: 'u32',
  verdict: 'u32',
  destination: 'u32',
  flowHash: 'u32',
});

/** Datagrams that lie end to end, of one size but the last, for one lane. */
export const Train = struct('Train', 32, {
  first: 'u32',
  count: 'u32',
  trunk: 'u32',
  /** Lane slot; NONE: this worker has none, see `owner`. */
  lane: 'u32',
  /** With lane NONE: the worker whose lane takes it, or NONE (dropped). */
  owner: 'u32',
  bytes: 'u32',
});

/** One message that the socket returned: a GRO train, or a datagram. */
export const RxMessage = struct('RxMessage', 64, {
  offset: 'u32',
  length: 'u32',
  /** Size of each datagram in it (the last may be shorter). */
  segmentBytes: 'u32',
  addressBytes: 'u32',
  address: ['u8', 28],
  reserved: 'u32',
  /** Address that it was sent to, as in Lane.sourceAddress. */
  localAddress: ['u8', 16],
});

/** One received link datagram on its way in. */
export const RxDatagram = struct('RxDatagram', 96, {
  offset: 'u32',
  length: 'u32',
  /** Index of its RxMessage. */
  message: 'u32',
  /** RX_*. */
  verdict: 'u32',
  lane: 'u32',
  trunk: 'u32',
  /** kind | flags << 4 | hops << 8 | class << 16, unmasked. */
  control: 'u32',
  counterLow: 'u32',
  counterHigh: 'u32',
  epoch: 'u32',
  token: ['u8', 16],
  /** Unmasked. */
  sender: ['u32', 4],
  set: 'u32',
  /** After openFrame: the Ethernet frame. */
  frameOffset: 'u32',
  frameLength: 'u32',
  vlan: 'u32',
  /** The member whose key opened it, as in RxSender. */
  member: 'u32',
  /** Of its token, where it has a set. */
  segment: 'u32',
});

/** One write to a TAP: virtio header, then `iovecCount` pieces. */
export const TapWrite = struct('TapWrite', 40, {
  vlan: 'u32',
  iovecFirst: 'u32',
  iovecCount: 'u32',
  /** Bytes of all pieces, without the virtio header. */
  length: 'u32',
  /** The 10-byte virtio_net_hdr, padded. */
  virtio: ['u8', 12],
  /** Datagrams in it. */
  datagrams: 'u32',
  /** Of its frame: chooses among the worker's queues of the TAP. */
  flowHash: 'u32',
  reserved: 'u32',
});

export const Iovec = struct('Iovec', 8, { offset: 'u32', length: 'u32' });

/** An address that classify met on a TAP and does not know: a source that is no station of ours, or a multicast group. */
export const Seen = struct('Seen', 16, {
  vlan: 'u32',
  macLow: 'u32',
  macHigh: 'u32',
  /** SEEN_*. */
  kind: 'u32',
});

/** A copy of an IGMP, MLD or PIM frame that came from a TAP. */
export const Snooped = struct('Snooped', 16, { vlan: 'u32', offset: 'u32', length: 'u32' });

/** One frame being put together from fragments (protocol section 10). */
export const Reassembly = struct('Reassembly', 64, {
  /** 0 free, 1 in use. */
  state: 'u32',
  startedMs: 'u32',
  epoch: 'u32',
  frameId: 'u32',
  sender0: 'u32',
  sender1: 'u32',
  sender2: 'u32',
  /** control & 0xff of its fragments: kind and flags. */
  control: 'u32',
  token: ['u8', 16],
  totalBytes: 'u32',
  receivedBytes: 'u32',
  /** Index of the first of its ranges in use; see pipeline/reassemble.ts. */
  fragments: 'u32',
});

/** A ring's control words, each on its own cache line; the data follows (see shm/ring.ts). */
export const RingHeader = struct('RingHeader', 192, {
  /** Consumer: bytes taken, modulo 2^32. */
  head: 'u32',
  pad0: ['u32', 15],
  /** Producer: bytes put, modulo 2^32. */
  tail: 'u32',
  pad1: ['u32', 15],
  /** Producer: messages refused because the ring was full. */
  refused: 'u32',
  capacity: 'u32',
});

// ---------------------------------------------------------------- constants

export const TABLES_MAGIC = 0x50_54_41_31;
export const ARENA_MAGIC = 0x50_54_41_32;

export const SLOT_EMPTY = 0;
export const SLOT_LIVE = 1;
/** Was live: a probe goes on past it. */
export const SLOT_DELETED = 2;

export const CIPHER_AES_256_GCM = 1;
export const CIPHER_CHACHA20_POLY1305 = 2;

export const CARRIER_NONE = 0;
export const CARRIER_UDP = 1;
export const CARRIER_STREAM = 2;

export const LANE_FREE = 0;
export const LANE_RECEIVES = 1;
export const LANE_SENDS = 2;

/** Frames of a station that another member holds are let through: hosts move, and the claim may come after the frame. */
export const VLAN_HOSTS_MOVE = 1;
/** Multicast goes to those who want it; IGMP, MLD and PIM from the TAP are told to the main thread. */
export const VLAN_SNOOP = 2;

/** Carried for others: under quotas. */
export const SEGMENT_FOREIGN = 1;

/** Relaying takes of the credits beside it. */
export const RELAY_LIMITED = 1;

export const STATION_LOCAL = 1;
export const STATION_REMOTE = 2;
/** Local: a group-sealed frame to it is dropped (protocol section 4). */
export const STATION_ENFORCED = 4;
/** `trunk` is a set, and each of its trunks gets a copy. */
export const STATION_SET = 8;
/** The address is a multicast group's. */
export const STATION_GROUP = 16;
/** Group: its frames go under the broadcast token, to those of its set alone. */
export const STATION_VIA_BROADCAST = 32;

/** Deliver to this node's TAP. */
export const TOKEN_LOCAL = 1;
/** Give to the main thread (members' control). */
export const TOKEN_CONTROL = 2;
/** It has several ways, so copies may meet here: two trunks or more, or one and this node. */
export const TOKEN_SEVERAL = 4;

/** Kinds of tokens that workers derive (protocol section 5). */
export const TOKEN_KIND_STATION = 1;
export const TOKEN_KIND_BROADCAST = 2;
export const TOKEN_KIND_GROUP = 3;

export const OFFLOAD_TAP_TSO = 1;
export const OFFLOAD_TAP_USO = 2;
export const OFFLOAD_UDP_GSO = 4;
export const OFFLOAD_UDP_GRO = 8;

export const READY_UDP = 1;
export const READY_WAKE = 2;

export const FRAME_DROPPED = 0;
export const FRAME_UNICAST = 1;
/** Sealed for the group, to each trunk of a set. */
export const FRAME_FLOOD = 2;
/** Sealed for one member, to each trunk of a set: it takes the first copy. */
export const FRAME_SET = 3;

export const SEEN_STATION = 0;
export const SEEN_GROUP = 1;

export const RX_DROPPED = 0;
/** Its blocks are open; the token is not yet looked up. */
export const RX_OPEN = 1;
/** For this node's TAP. */
export const RX_LOCAL = 2;
/** Its frame is open and lies at frameOffset. */
export const RX_FRAME = 3;
/** For the main thread. */
export const RX_PUNTED = 4;
/** A fragment that waits for its siblings. */
export const RX_HELD = 5;
/** For others only: it leaves again. */
export const RX_FORWARDED = 6;

export const KIND_FRAME = 1;
export const KIND_FRAGMENT = 2;
export const KIND_CONTROL = 3;
export const KIND_ECHO = 4;
export const KIND_LINK = 5;

/** Sealed for one receiver. */
export const FLAG_PAIRWISE = 1;
/** The checksum is left to the receiver's kernel; the field is zero. */
export const FLAG_CHECKSUM_LEFT = 2;

/** Hop limit that a member starts with. */
export const INITIAL_HOPS = 64;
/** A path that takes smaller datagrams carries nothing; announced sizes below it are not believed. */
export const PATH_MIN_BYTES = 256;
/** Bytes of a link datagram before the sealed frame, and with its tag. */
export const LINK_HEADER_BYTES = 48;
export const LINK_OVERHEAD_BYTES = 64;
export const TAG_BYTES = 16;
/** What the kernel's memory for a received message takes beside its bytes, about. */
export const MESSAGE_OVERHEAD_BYTES = 2048;
/** Virtio header that our TAPs carry: legacy virtio_net_hdr, 10 bytes. */
export const VIRTIO_HEADER_BYTES = 10;
/** Prefix of a fragment's plaintext: frame id u32, offset u16, total u16. */
export const FRAGMENT_PREFIX_BYTES = 8;
