/**
 * Makes the libp2p node: transports, encryption, muxer, limits, and the guard before all of them.
 *
 * Main thread. It runs the smallest node that can do its work: no identify (the dialler opens the trunk stream at
 * once), no discovery, no automatic dialling (the trunk machine decides whom to dial and when).
 */
import { noise } from '@chainsafe/libp2p-noise';
import { yamux } from '@chainsafe/libp2p-yamux';
import { privateKeyFromRaw } from '@libp2p/crypto/keys';
import type { ConnectionGater, PeerId } from '@libp2p/interface';
import { peerIdFromPrivateKey } from '@libp2p/peer-id';
import type { Multiaddr } from '@multiformats/multiaddr';
import { createLibp2p, type Libp2p } from 'libp2p';
import { invariant } from '../../dataplane/base/invariant.ts';
import { monotonicMs } from '../monotonic-clock.ts';
import type { SwarmAuthority } from '../swarm/swarm.ts';
import { Circuits, type RelayOptions } from './circuits.ts';
import { ConnectionLimit, HANDSHAKE_RESERVE } from './connection-limit.ts';
import type { DialAddress } from './dialler.ts';
import { type ConnectionGuard, GuardedConnections } from './guarded-connections.ts';
import { Refusals } from './refusals.ts';
import { sparingWindows } from './sparing-windows.ts';
import { SwarmGate } from './swarm-gate.ts';
import { loadTransports } from './transports.ts';

export interface NetworkOptions {
  /** Ed25519 seed ‖ public key, 64 bytes. */
  readonly privateKey: Uint8Array;
  /** Multiaddrs to listen on; none: only dials. */
  readonly listen: readonly string[];
  /** Trunks that the node keeps; each needs a connection, and some more are for those that come and go. */
  readonly trunksMax?: number;
  /** libp2p services that run beside ours; guarded as everything is. */
  readonly services?: ServiceFactories;
  /** What this node does as a relay of circuits; absent: nothing. */
  readonly relay?: Pick<RelayOptions, 'mayRelay'>;
  /** The private swarm that guards every connection; absent: everybody may connect. */
  readonly swarm?: SwarmAuthority;
}

/** libp2p's `services`, by the names under which the node has them; each takes the components that it needs. */
export type ServiceFactories = Readonly<Record<string, (components: never) => unknown>>;

/** What is used of libp2p's transport manager, which the node itself does not show. */
export interface TransportManager {
  /** Dials one address, now, whatever the dial queue is at. */
  readonly dial: DialAddress;
  /** Where the transports listen, wildcards as they are. */
  readonly getAddrs: () => Multiaddr[];
}

/** What {@link createNode} made. */
export interface CreatedNode {
  readonly node: Libp2p;
  readonly gate: SwarmGate | undefined;
  readonly guarded: GuardedConnections;
  readonly limit: ConnectionLimit;
  readonly refusals: Refusals;
  readonly circuits: Circuits;
  readonly transportManager: TransportManager;
  /** What does not work on this machine, for the log. */
  readonly warnings: readonly string[];
}

const TRUNKS_MAX = 256;
/** Handshakes, races of two connections, strangers that say nothing for 10 s; a connection costs about 172 kB. */
const CONNECTION_RESERVE = 64;
/** For one address, and for all of a peer: they are tried one after the other. */
const ADDRESS_DIAL_TIMEOUT_MS = 4_000;
export const DIAL_TIMEOUT_MS = 12_000;
/** yamux's own default is no limit at all. A carrier batch is 64 KiB, and one is sent when it has drained. */
const WRITE_BUFFER_MAX_BYTES = 2_097_152;
/** Connections that one host may open in a second, and that may be in their handshake. */
const INBOUND_PER_SECOND_MAX = 32;
const INBOUND_PENDING_MAX = 64;

const OPEN_GUARD: ConnectionGuard = { isActive: () => false, admit: () => Promise.resolve() };

/** Who may be reached through this node, and who may reach others. */
function relayGater(relay: NetworkOptions['relay']): ConnectionGater {
  const isDenied = (peer: PeerId): boolean => relay?.mayRelay(peer.toString()) !== true;
  return {
    denyInboundRelayReservation: isDenied,
    denyOutboundRelayedConnection: (source, destination) => isDenied(source) || isDenied(destination),
  };
}

/** Makes the node, which neither listens nor dials before its `start`. */
export async function createNode(options: NetworkOptions): Promise<CreatedNode> {
  const privateKey = privateKeyFromRaw(options.privateKey);
  const self = peerIdFromPrivateKey(privateKey).toString();
  const gate = options.swarm === undefined ? undefined : new SwarmGate(options.swarm, self);
  const connectionsMax = (options.trunksMax ?? TRUNKS_MAX) + CONNECTION_RESERVE;
  const limit: ConnectionLimit = new ConnectionLimit(connectionsMax, () => node.getConnections());
  const refusals = new Refusals(monotonicMs);
  const guarded = new GuardedConnections(gate ?? OPEN_GUARD, refusals, (peer) => limit.admit(peer));
  const { transports, missing, canListen } = await loadTransports();
  const circuits = new Circuits(monotonicMs);
  const { relay } = options;
  const server =
    relay === undefined ? {} : circuits.serverFactories({ ...relay, reservationsMax: connectionsMax });
  let transportManager: TransportManager | undefined;
  const managing = (components: { readonly transportManager: TransportManager }): object => {
    transportManager = components.transportManager;
    return {};
  };
  const node: Libp2p = await createLibp2p({
    start: false,
    privateKey,
    addresses: { listen: options.listen.filter(canListen) },
    transports: [...transports, circuits.makeTransport.bind(circuits)].map((transport) =>
      guarded.guardTransport(transport),
    ),
    connectionEncrypters: [guarded.guardEncrypter(noise())],
    streamMuxers: [
      guarded.guardMuxer(
        // Its keep-alive never looks at what comes back; connection-pulse.ts does.
        sparingWindows(
          yamux({ enableKeepAlive: false, streamOptions: { maxWriteBufferLength: WRITE_BUFFER_MAX_BYTES } }),
        ),
      ),
    ],
    connectionGater: { ...guarded.gater(), ...relayGater(relay) },
    connectionManager: {
      maxConnections: connectionsMax + HANDSHAKE_RESERVE,
      dialTimeout: DIAL_TIMEOUT_MS,
      addressDialTimeout: ADDRESS_DIAL_TIMEOUT_MS,
      reconnectRetries: 0,
      inboundConnectionThreshold: INBOUND_PER_SECOND_MAX,
      maxIncomingPendingConnections: INBOUND_PENDING_MAX,
    },
    services: { ...options.services, ...server, managing },
    connectionMonitor: { enabled: false },
  });
  await gate?.attach(node);
  if (gate !== undefined) gate.onKeys = () => refusals.clear();
  circuits.attach(node);
  invariant(transportManager !== undefined, 'libp2p makes its services with the node');
  return { node, gate, guarded, limit, refusals, circuits, transportManager, warnings: missing };
}
