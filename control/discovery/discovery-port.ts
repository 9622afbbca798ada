/**
 * The types by which the discovery machine meets everything around it: inputs, effects, ports, rows of its status.
 *
 *   bootstrap, invites, mDNS, DHT ──found──▶ ┌───────────────────┐ ──set-peers──────────────▶ trunk machine
 *   trunks ──up, down, shared──────────────▶ │ discovery machine │ ──find, provide, mdns────▶ control/network
 *   exchange streams ──heard───────────────▶ └───────────────────┘ ──say, heartbeat, notice─▶ exchange, streams, log
 *
 * Main thread; types only. Times are CLOCK_MONOTONIC in ms.
 */
import type { PeerIdText } from '../trunk/trunk-port.ts';

/**
 * Where a candidate is known from. `presence` is signed by the peer itself; `trunk` means that a trunk to it was up,
 * whoever dialled; `fabric` that it has spoken in a VLAN of ours through others, which says nothing of where it is; what `mdns` and `dht` say is anybody's word until a trunk has shown whom it reaches.
 */
export type DiscoverySource = 'config' | 'trunk' | 'presence' | 'fabric' | 'invite' | 'mdns' | 'dht';

/** `full`: a trunk is kept, or being tried. `warm`: a heartbeat now and then. `known`: neither. */
export type PeerStanding = 'full' | 'warm' | 'known';

/** A VLAN's id in hex, as it is named between machine and driver; never on a wire. */
export type VlanKey = string;

/** A peer and the multiaddrs at which it may be reached. */
export interface FoundPeer {
  readonly peer: PeerIdText;
  readonly addresses: readonly string[];
}

/** A VLAN of this node, as far as discovery goes. */
export interface DiscoveryVlan {
  /** 16 bytes. */
  readonly id: Uint8Array;
  /** What presences are sealed under, 32 bytes each, see `presenceKeyOf`; the first seals, each opens. */
  readonly presenceKeys: readonly Uint8Array[];
  /** Who may be present; undefined in an open VLAN. */
  readonly members: ReadonlySet<PeerIdText> | undefined;
  /** The 16-byte segment ids that this node carries for it. */
  readonly segments: readonly Uint8Array[];
}

// ── Inputs ─────────────────────────────────────────────────────────────────────────────────────────────

/** Time has passed; the driver sends it at `nextTimeoutMs()`. */
export interface TickInput {
  readonly kind: 'tick';
}
/** The peers of the config, whole. They come first, whatever they share. */
export interface ConfiguredInput {
  readonly kind: 'configured';
  readonly peers: readonly FoundPeer[];
  /** Addresses without a PeerId, passed on as they are. */
  readonly unnamed: readonly string[];
}
/** The VLANs of this node, whole. */
export interface VlansInput {
  readonly kind: 'vlans';
  readonly vlans: readonly DiscoveryVlan[];
}
/** Where this node listens, and whether the machine has any address by which it can reach another. */
export interface AddressesInput {
  readonly kind: 'addresses';
  readonly listen: readonly string[];
  readonly isOnline: boolean;
}
/** Peers that somebody has named. `vlan`: at whose meeting point, or in whose invite. */
export interface FoundInput {
  readonly kind: 'found';
  readonly source: 'mdns' | 'dht' | 'invite';
  readonly vlan: VlanKey | undefined;
  readonly peers: readonly FoundPeer[];
}
/** A `find-providers` has ended; its peers came by `found`. */
export interface LookedUpInput {
  readonly kind: 'looked-up';
  readonly vlan: VlanKey;
  /** Nodes of the DHT that answered. */
  readonly contacted: number;
}
/** A `provide` has ended. */
export interface ProvidedInput {
  readonly kind: 'provided';
  readonly vlan: VlanKey;
  /** Nodes of the DHT that took a record. */
  readonly stored: number;
}
export interface TrunkUpInput {
  readonly kind: 'trunk-up';
  readonly peer: PeerIdText;
  /** Others may be reached through it. */
  readonly isRelay: boolean;
}
export interface TrunkDownInput {
  readonly kind: 'trunk-down';
  readonly peer: PeerIdText;
}
/** Members of a VLAN that live, as the fabric knows them, whole. */
export interface MembersInput {
  readonly kind: 'members';
  readonly vlan: VlanKey;
  readonly peers: readonly PeerIdText[];
}
/** Peers by whose trunks the fabric forwards, whole: they are kept before others. */
export interface TreePeersInput {
  readonly kind: 'tree-peers';
  readonly peers: readonly PeerIdText[];
}
/** The VLANs that the peer of a trunk shares, whole. */
export interface SharedInput {
  readonly kind: 'shared';
  readonly peer: PeerIdText;
  readonly vlans: readonly Uint8Array[];
}
/** What a trunk's probes say. */
export interface PathInput {
  readonly kind: 'path';
  readonly peer: PeerIdText;
  readonly rttMs: number | undefined;
  readonly lossRatio: number;
}
/** An exchange stream for a VLAN is open to this peer. */
export interface NeighbourUpInput {
  readonly kind: 'neighbour-up';
  readonly vlan: VlanKey;
  readonly peer: PeerIdText;
}
export interface NeighbourDownInput {
  readonly kind: 'neighbour-down';
  readonly vlan: VlanKey;
  readonly peer: PeerIdText;
}
/** What an exchange stream brought; not yet looked at. */
export interface HeardInput {
  readonly kind: 'heard';
  readonly vlan: VlanKey;
  readonly peer: PeerIdText;
  readonly bytes: Uint8Array;
}
/** A warm peer has answered. */
export interface HeartbeatAnsweredInput {
  readonly kind: 'heartbeat-answered';
  readonly peer: PeerIdText;
  readonly rttMs: number;
  /** How full it is, 0‥255. */
  readonly load: number;
}
export interface HeartbeatFailedInput {
  readonly kind: 'heartbeat-failed';
  readonly peer: PeerIdText;
}
/** Nothing is asked for any more. */
export interface StopInput {
  readonly kind: 'stop';
}

/** What is about one peer and its trunk. */
export type PeerInput =
  | TrunkUpInput
  | TrunkDownInput
  | SharedInput
  | PathInput
  | HeartbeatAnsweredInput
  | HeartbeatFailedInput;

export type DiscoveryInput =
  | PeerInput
  | TickInput
  | ConfiguredInput
  | VlansInput
  | AddressesInput
  | FoundInput
  | MembersInput
  | TreePeersInput
  | LookedUpInput
  | ProvidedInput
  | NeighbourUpInput
  | NeighbourDownInput
  | HeardInput
  | StopInput;

// ── Effects ────────────────────────────────────────────────────────────────────────────────────────────

/** The trunk machine's input of the same name: whom to keep trunks with from now on. */
export interface SetPeersEffect {
  readonly kind: 'set-peers';
  readonly peers: readonly FoundPeer[];
  readonly unnamed: readonly string[];
}
/** Look who meets there; ends in `looked-up`. */
export interface FindProvidersEffect {
  readonly kind: 'find-providers';
  readonly vlan: VlanKey;
  /** 32 bytes, SHA-256; what the DHT sees. */
  readonly digest: Uint8Array;
}
/** Say at these meeting points that this node is there, and at no others of this VLAN; ends in `provided`. */
export interface ProvideEffect {
  readonly kind: 'provide';
  readonly vlan: VlanKey;
  readonly digests: readonly Uint8Array[];
}
/** Leave the meeting points of a VLAN that this node has left. */
export interface UnprovideEffect {
  readonly kind: 'unprovide';
  readonly vlan: VlanKey;
}
/** Ends in `heartbeat-answered` or `heartbeat-failed`. */
export interface HeartbeatEffect {
  readonly kind: 'heartbeat';
  readonly peer: PeerIdText;
  readonly addresses: readonly string[];
}
/** Answers others on the LAN from now on, or no more. */
export interface MdnsEffect {
  readonly kind: 'mdns';
  readonly isOn: boolean;
}
/** Asks the LAN once. */
export interface MdnsAskEffect {
  readonly kind: 'mdns-ask';
}
/** Send these bytes over the VLAN's exchange stream to this peer. */
export interface SayEffect {
  readonly kind: 'say';
  readonly vlan: Uint8Array;
  readonly peer: PeerIdText;
  readonly bytes: Uint8Array;
}
/** A line for the log, already rate limited. */
export interface NoticeEffect {
  readonly kind: 'notice';
  readonly level: 'debug' | 'info' | 'warn';
  readonly code: string;
  readonly message: string;
}

export type DiscoveryEffect =
  | SetPeersEffect
  | FindProvidersEffect
  | ProvideEffect
  | UnprovideEffect
  | HeartbeatEffect
  | MdnsEffect
  | MdnsAskEffect
  | SayEffect
  | NoticeEffect;

// ── Ports and status ───────────────────────────────────────────────────────────────────────────────────

/** What the machine takes from outside at once, without an answer to wait for. */
export interface DiscoveryPorts {
  readonly self: PeerIdText;
  /** Of the node's Ed25519 key. */
  sign(bytes: Uint8Array): Uint8Array;
  verify(publicKey: Uint8Array, bytes: Uint8Array, signature: Uint8Array): boolean;
  randomBytes(count: number): Uint8Array;
  /** Unix time less the clock of `nowMs`, in ms. */
  unixOffsetMs(): number;
}

/** A row for `peertap peers`. */
export interface DiscoveryRow {
  readonly peer: PeerIdText;
  readonly standing: PeerStanding;
  /** In the order of their worth. */
  readonly sources: readonly DiscoverySource[];
  readonly addresses: readonly string[];
  /** 16-byte ids: proven by a trunk, or else as it was found. */
  readonly vlans: readonly Uint8Array[];
  readonly hasTrunk: boolean;
  readonly lastSeenMs: number;
  readonly failures: number;
}

export type DiscoveryCounter =
  | 'discoveryPeersFound'
  | 'discoveryPeersRefused'
  | 'discoveryLookups'
  | 'discoveryProvides'
  | 'discoveryHeartbeats'
  | 'discoveryHeartbeatsFailed'
  | 'presenceAccepted'
  | 'presenceOld'
  | 'presenceForged'
  | 'presenceMalformed'
  | 'presenceStrangers'
  | 'presenceUnsealable'
  | 'presenceRefused';
