/**
 * What connections are made over: TCP, WebSocket, and QUIC where its addon loads.
 *
 * Main thread. Each is guarded (guarded-connections.ts). Datagrams of trunks do not go by any of these but when
 * nothing better works.
 */
import { lookup } from 'node:dns/promises';
import type * as quicPackage from '@chainsafe/libp2p-quic';
import type { MultiaddrConnection, Transport, Upgrader, UpgraderOptions } from '@libp2p/interface';
import { type TCPComponents, tcp } from '@libp2p/tcp';
import { webSockets } from '@libp2p/websockets';
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr';
import type { Libp2pOptions } from 'libp2p';
import { Uint8ArrayList } from 'uint8arraylist';
import { rootMessage } from './connections.ts';

/** More than the pause between two pings of an idle connection: it lives by those, not by this. */
const SOCKET_SILENCE_MS = 300_000;
/** A peer that is gone is noticed by QUIC after this; NATs forget a UDP flow after 30 s or more. */
const QUIC_IDLE_MS = 60_000;
const QUIC_KEEP_ALIVE_MS = 20_000;
/** A trunk's streams, those of the VLANs that are shared, and of other protocols. */
const QUIC_STREAMS_MAX = 256;
/** Two packets or so: copying that costs less than a packet. */
const JOINED_MAX_BYTES = 4_096;

/** Makes a transport of libp2p's components. */
export type TransportFactory = NonNullable<Libp2pOptions['transports']>[number];

/** The transports that work here. */
export interface LoadedTransports {
  readonly transports: readonly TransportFactory[];
  /** Why one of them does not, for the log. */
  readonly missing: readonly string[];
  /** Whether an address can be listened on. */
  readonly canListen: (address: string) => boolean;
}

/** @param load - test seam; the default imports the QUIC package, whose addon may not fit this machine */
export async function loadTransports(
  load: () => Promise<Pick<typeof quicPackage, 'quic'>> = () => import('@chainsafe/libp2p-quic'),
): Promise<LoadedTransports> {
  const socket = {
    inboundSocketInactivityTimeout: SOCKET_SILENCE_MS,
    outboundSocketInactivityTimeout: SOCKET_SILENCE_MS,
  };
  const transports: TransportFactory[] = [
    (components: TCPComponents) =>
      joiningWrites(
        tcp({ ...socket, dialOpts: { noDelay: true }, listenOpts: { noDelay: true } })(components),
      ),
    webSockets(),
  ];
  try {
    const { quic } = await load();
    const options = {
      maxIdleTimeout: QUIC_IDLE_MS,
      keepAliveInterval: QUIC_KEEP_ALIVE_MS,
      maxConcurrentStreamLimit: QUIC_STREAMS_MAX,
    };
    transports.push((components: quicPackage.QuicComponents) => resolvingNames(quic(options)(components)));
    return { transports, missing: [], canListen: () => true };
  } catch (cause) {
    const reason = `QUIC cannot be used here, its addon does not load (${rootMessage(cause)}); TCP and WebSocket go on without it`;
    return { transports, missing: [reason], canListen: (address) => !address.includes('/quic-v1') };
  }
}

/**
 * libp2p's TCP writes each part of a list by itself, and Noise puts two bytes of length before each message: with
 * Nagle's algorithm off that is a packet for them alone. Short lists are copied together.
 */
function joiningWrites(transport: Transport): Transport {
  const [dial, createListener] = [transport.dial.bind(transport), transport.createListener.bind(transport)];
  transport.dial = (address, options) => dial(address, { ...options, upgrader: joining(options.upgrader) });
  transport.createListener = (options) => createListener({ ...options, upgrader: joining(options.upgrader) });
  return transport;
}

/** What AbstractMultiaddrConnection has, though its interface does not show it. */
interface Writing {
  sendData(data: Uint8ArrayList): unknown;
}

function isWriting(connection: object): connection is Writing {
  return 'sendData' in connection && typeof connection.sendData === 'function';
}

function joining(upgrader: Upgrader): Upgrader {
  const join = (connection: MultiaddrConnection): MultiaddrConnection => {
    if (isWriting(connection)) {
      const sendData = connection.sendData.bind(connection);
      connection.sendData = (data) =>
        sendData(data.byteLength <= JOINED_MAX_BYTES ? new Uint8ArrayList(data.subarray()) : data);
    }
    return connection;
  };
  const wrapped: Pick<Upgrader, 'upgradeInbound' | 'upgradeOutbound'> = {
    upgradeInbound: (connection: MultiaddrConnection, options: UpgraderOptions) =>
      upgrader.upgradeInbound(join(connection), options),
    upgradeOutbound: (connection: MultiaddrConnection, options: UpgraderOptions) =>
      upgrader.upgradeOutbound(join(connection), options),
  };
  return Object.assign(Object.create(upgrader) as Upgrader, wrapped);
}

/** libp2p's QUIC takes addresses only. */
function resolvingNames(transport: Transport): Transport {
  const dial = transport.dial.bind(transport);
  transport.dial = async (address, options) => dial(await resolved(address), options);
  return transport;
}

async function resolved(address: Multiaddr): Promise<Multiaddr> {
  const components = address.getComponents();
  const name = components.find((component) => /^dns[46]?$/.test(component.name));
  if (name?.value === undefined) {
    return address;
  }
  const family = name.name === 'dns4' ? 4 : name.name === 'dns6' ? 6 : 0;
  const found = await lookup(name.value, { family });
  const text = address
    .toString()
    .replace(`/${name.name}/${name.value}/`, `/ip${found.family}/${found.address}/`);
  return multiaddr(text);
}
