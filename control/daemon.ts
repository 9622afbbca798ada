/**
 * Composes the daemon: starts its parts in order, and stops them in the reverse one. Nothing else is decided here.
 *
 *   identity → state lock → VLAN registry → engine → data plane → libp2p → trunks → VLANs → admin API
 *
 * Main thread. What one part tells another goes through control/node.ts.
 */
import { availableParallelism } from 'node:os';
import type { Logger } from 'pino';
import { startAdminServer } from './admin/admin-server.ts';
import { type Config, workerCount } from './config/config.ts';
import { Dataplane } from './dataplane-link/dataplane.ts';
import { chooseEngine } from './engine-choice.ts';
import { loadOrCreateIdentity, type NodeIdentity } from './identity/node-identity.ts';
import { lockStateDirectory } from './identity/state-lock.ts';
import { type InspectionSources, inspectNode } from './inspection/inspect-node.ts';
import { SubsystemLog } from './inspection/subsystem-log.ts';
import { GroupPool } from './membership/group/mls/group-pool.ts';
import { MlsGroup } from './membership/group/mls/mls-group.ts';
import { DEFAULT_SUITE } from './membership/group/mls/suites.ts';
import { DhtServices } from './network/dht-services.ts';
import { createNetwork } from './network/libp2p-network.ts';
import { PeertapNode } from './node.ts';
import { RelayPolicy } from './relay/relay-policy.ts';
import { Swarm } from './swarm/swarm.ts';
import { type IdOfKey, selectNewest, validateEnvelope } from './vlan/envelope.ts';
import { VlanRegistry } from './vlan/vlan-registry.ts';

/** What a daemon is started with. */
export interface DaemonOptions {
  readonly config: Config;
  /** Absent: it runs on the defaults. */
  readonly configPath?: string;
  /** Reads the config again, for `reload`. */
  readonly reload: () => Promise<Config>;
  readonly logger: Logger;
}

/** A running daemon. */
export interface RunningDaemon {
  /** Leaves no interface, socket or lock behind. */
  stop(): Promise<void>;
  /** Takes over a changed config; trunks that stay are not touched. */
  reload(): Promise<void>;
}

/** Token period of open VLANs (docs/protocol.md, "Tokens"); divides a day. */
const TOKEN_PERIOD_SECONDS = 3600;
const SEED_BYTES = 32;
/** A round trip between two machines of one rack: answers within it may find the worker awake. */
const SPIN_LIMIT_US = 300;

/**
 * Starts a daemon.
 *
 * @throws an operating error with a sentence that says what to do; nothing is left open then
 */
export async function startDaemon(options: DaemonOptions): Promise<RunningDaemon> {
  const undo: (() => Promise<void>)[] = [];
  const stop = async (): Promise<void> => {
    for (let step = undo.pop(); step !== undefined; step = undo.pop()) await step();
  };
  try {
    const node = await startParts(options, (step) => undo.push(step));
    return { stop, reload: async () => node.reload(await options.reload()) };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function startParts(
  { config, logger }: DaemonOptions,
  onStop: (step: () => Promise<void>) => void,
): Promise<PeertapNode> {
  const { identity, created } = await loadOrCreateIdentity(config.stateDirectory);
  if (created) logger.info({ peerId: identity.peerId }, 'made a new identity');
  const lock = await lockStateDirectory(config.stateDirectory);
  onStop(async () => lock.release());
  const registry = VlanRegistry.open(config.stateDirectory, config.vlans);
  registry.signMissingRecords(identity.peerId, Date.now());
  for (const damage of registry.damagedRecords()) logger.warn({ code: 'record-damaged' }, damage);
  const swarm = Swarm.open(config.stateDirectory);
  const groupPool = new GroupPool({
    publicKey: identity.publicKey,
    seed: identity.privateKey.subarray(0, SEED_BYTES),
  });
  onStop(() => groupPool.close());
  const engine = chooseEngine(config.dataplane.engine);
  if (engine.reason !== null) logger.warn({ engine: engine.name }, engine.reason);
  const log = new SubsystemLog(logger);
  const dataplane = openDataplane(config, identity, engine.name, log);
  onStop(() => dataplane.stop());
  // Circuits know no segments: rules by peer and for all are theirs.
  const relayPolicy = new RelayPolicy(config.relay);
  let vlanOfKey: IdOfKey = () => undefined;
  const finder = new DhtServices({
    ...config.discovery,
    values: {
      isValid: (key, value) => validateEnvelope(key, value, (hex) => vlanOfKey(hex)),
      selectNewest: (key, values) => selectNewest(key, values, (hex) => vlanOfKey(hex)),
    },
  });
  const [network] = await Promise.all([
    createNetwork({
      privateKey: identity.privateKey,
      listen: config.listen.libp2p,
      trunksMax: config.connectionLimit,
      ...(config.relay.enabled && {
        relay: { mayRelay: (peer) => relayPolicy.decide(peer, '') === 'allow' },
      }),
      swarm,
      services: finder.factories,
    }),
    dataplane.start(),
  ]);
  onStop(() => network.stop());
  for (const warning of network.warnings) log.log('warn', 'network', 'network', warning);
  const node = new PeertapNode({
    config,
    identity,
    registry,
    dataplane,
    network,
    swarm,
    finder,
    openGroup: (vlanId, directory) => new MlsGroup(groupPool, { vlanId, directory, suite: DEFAULT_SUITE }),
    engine,
    log,
  });
  vlanOfKey = (hex) => node.vlanOfKey(hex);
  onStop(() => node.stop());
  await node.start();
  await startAdmin({ self: identity.peerId, config, node, dataplane, log }, logger, onStop);
  logger.info(
    { peerId: identity.peerId, engine: engine.name, listen: network.listenAddresses() },
    'peertap is running',
  );
  return node;
}

async function startAdmin(
  sources: InspectionSources & { readonly node: PeertapNode },
  logger: Logger,
  onStop: (step: () => Promise<void>) => void,
): Promise<void> {
  const inspection = inspectNode(sources);
  onStop(() => Promise.resolve(inspection.stop()));
  const path = sources.config.controlSocket;
  const admin = await startAdminServer({ path, daemon: sources.node, inspection, log: logger });
  onStop(() => admin.close());
}

function openDataplane(
  config: Config,
  identity: NodeIdentity,
  engine: 'native' | 'typescript',
  log: SubsystemLog,
): Dataplane {
  const dataplane = Dataplane.open({
    engine,
    relay: config.relay,
    identity,
    workerCount: workerCount(config.dataplane.workers, availableParallelism()),
    listen: config.listen.datagram,
    offloads: config.dataplane.offloads,
    spinLimitUs: SPIN_LIMIT_US,
    tokenPeriodSeconds: TOKEN_PERIOD_SECONDS,
    debug: process.env['PEERTAP_DEBUG_CRASH_WORKER'] === '1',
    log: ({ level, subsystem, code, message }) => log.log(level, subsystem ?? 'dataplane', code, message),
    debugEffect: (subsystem, effect) => log.effect(subsystem, effect),
  });
  for (const reason of dataplane.offloadReasons) log.log('warn', 'dataplane', 'offload-off', reason);
  return dataplane;
}
