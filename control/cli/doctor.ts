/**
 * `peertap doctor`: checks this machine line by line and says what to do about what is missing.
 *
 * facts (machine-facts.ts) → findings (doctor-checks.ts) ┐
 * engine, offloads (dataplane-checks.ts) ────────────────┼→ lines or JSON; exit 1 when one fails
 * config, identity, daemon, ports (here) ────────────────┘
 *
 * Must never change the machine: no identity is made, no file written.
 */
import { availableParallelism } from 'node:os';
import { AdminClient } from '../admin/admin-client.ts';
import type { DaemonStatus } from '../admin/daemon-control.ts';
import { type Config, workerCount } from '../config/config.ts';
import { ConfigError } from '../config/config-error.ts';
import { listenPort } from '../config/libp2p-address.ts';
import { IdentityError } from '../identity/identity-error.ts';
import { loadIdentity } from '../identity/node-identity.ts';
import { EXIT_DONE, EXIT_FAILED } from './command-error.ts';
import type { CommandIo } from './command-io.ts';
import { findConfig } from './default-config.ts';
import { checkFacts, checkPeerClocks, type Finding, fail, ok } from './doctor-checks.ts';
import { gatherFacts, tcpPortProblem, udpPortProblem } from './machine-facts.ts';

/** Checks the machine; @returns the exit code */
export async function runDoctor(
  options: { config?: string; json?: boolean; socket?: string },
  io: CommandIo,
): Promise<number> {
  const findings = [...checkFacts(await gatherFacts()), ...(await checkSetup(options))];
  const hasFailed = findings.some((finding) => finding.result === 'fail');
  if (options.json === true) io.out(JSON.stringify({ ok: !hasFailed, findings }, undefined, 2));
  else for (const line of findings.flatMap(describeFinding)) io.out(line);
  return hasFailed ? EXIT_FAILED : EXIT_DONE;
}

/** One finding in lines for a terminal. */
export function describeFinding({ check, result, found, advice }: Finding): string[] {
  const line = `${result.padEnd(4)}  ${check.padEnd(10)}  ${found}`;
  return advice === '' ? [line] : [line, `${' '.repeat(18)}→ ${advice}`];
}

/** What depends on the config. */
async function checkSetup(options: { config?: string; socket?: string }): Promise<Finding[]> {
  try {
    const { config, path } = await findConfig(options.config, options.socket);
    const found = path ?? 'no file; the defaults hold';
    const status = await new AdminClient(config.controlSocket).status().catch(() => undefined);
    const { checkDataplane } = await import('./dataplane-checks.ts');
    return [
      ...checkDataplane(config),
      ok('config', found),
      await checkIdentity(config),
      checkDaemon(config, status),
      ...[checkPeerClocks(status?.clockOffsetMs ?? null)].filter((finding) => finding !== undefined),
      ...(status === undefined ? await checkPorts(config) : []),
    ];
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return [
      fail(
        'config',
        error.message.replaceAll('\n', '; '),
        'correct the file; `peertap init` writes a good one',
      ),
    ];
  }
}

async function checkIdentity(config: Config): Promise<Finding> {
  try {
    const identity = await loadIdentity(config.stateDirectory);
    return ok(
      'identity',
      identity?.peerId ?? `none yet in ${config.stateDirectory}; the first start makes it`,
    );
  } catch (error) {
    if (!(error instanceof IdentityError)) throw error;
    const advice = error.code === 'permission' ? 'run as root' : 'do as it says before you start the daemon';
    return fail('identity', error.message, advice);
  }
}

function checkDaemon(config: Config, status: DaemonStatus | undefined): Finding {
  if (status === undefined) return ok('daemon', `none answers on ${config.controlSocket}`);
  const up = status.trunks.filter((trunk) => trunk.state === 'up').length;
  return ok('daemon', `running, ${up} of ${status.trunks.length} trunks up, engine ${status.engine}`);
}

/** Only asked when no daemon of ours has the ports. */
async function checkPorts(config: Config): Promise<Finding[]> {
  const { address, port } = config.listen.datagram;
  const workers = workerCount(config.dataplane.workers, availableParallelism());
  const datagramPorts = Array.from({ length: workers }, (_, worker) => port + worker);
  return Promise.all([
    ...config.listen.libp2p.map(async (listen) =>
      describePort(listen, 'listen.libp2p', await listenProblem(listen)),
    ),
    ...datagramPorts.map(async (udpPort) =>
      describePort(
        `udp ${address} port ${udpPort}`,
        'listen.datagram',
        await udpPortProblem(address, udpPort),
      ),
    ),
  ]);
}

/** `listen` has passed the config's check. */
async function listenProblem(listen: string): Promise<string | undefined> {
  const { kind, host, port } = listenPort(listen) ?? { kind: 'tcp', host: '', port: 0 };
  return kind === 'tcp' ? tcpPortProblem(host, port) : udpPortProblem(host, port);
}

function describePort(name: string, key: string, problem: string | undefined): Finding {
  if (problem === undefined) return ok('ports', `${name} is free`);
  if (problem === 'EADDRINUSE') {
    return fail('ports', `${name} is in use`, `find its owner with \`ss -lntup\`, or change ${key}`);
  }
  const reason = problem === 'EADDRNOTAVAIL' ? 'this machine has no such address' : problem;
  return fail('ports', `${name} cannot be bound: ${reason}`, `correct ${key} in the config`);
}
