/**
 * The config: from whatever a file holds to one deeply readonly value, or to a list of what is wrong.
 *
 * unknown → schema (types, ranges, names) → rules between keys → frozen `Config`
 *
 * Runs on the main thread at start and on SIGHUP, and in the command. Must never read a file or the clock.
 */
import { isIPv6 } from 'node:net';
import * as v from 'valibot';
import { parseInvite } from '../vlan/invite.ts';
import { ConfigError, type ConfigProblem } from './config-error.ts';
import { listenPort } from './libp2p-address.ts';
import { configSchema } from './schema.ts';

/** Workers that `auto` starts at most: beyond, reordering and idle memory cost more than they bring. */
const AUTO_WORKERS_MAX = 4;
/** IPv6 does not run on a link with less. RFC 8200 §5 */
const IPV6_LEAST_MTU_BYTES = 1280;

/** A value whose every level is readonly. */
export type DeepReadonly<T> = T extends readonly (infer Item)[]
  ? readonly DeepReadonly<Item>[]
  : T extends object
    ? { readonly [Key in keyof T]: DeepReadonly<T[Key]> }
    : T;

/** Everything that a daemon can be told, with all defaults filled in. */
export type Config = DeepReadonly<v.InferOutput<typeof configSchema>>;

/**
 * Checks a parsed document and fills in the defaults.
 *
 * @param document - what JSON parsing returned
 * @returns the config, frozen at every level
 * @throws ConfigError with code `invalid` that lists every problem by path, range and value
 */
export function parseConfig(document: unknown): Config {
  const config = parseWith(configSchema, document);
  const problems = [
    ...duplicateProblems(config),
    ...inviteProblems(config),
    ...mtuProblems(config),
    ...portProblems(config),
    ...relayProblems(config),
  ];
  if (problems.length > 0) throw new ConfigError('invalid', problems);
  return config;
}

/**
 * Checks any value by a schema of schema.ts; the admin server reads request bodies with it.
 *
 * @throws ConfigError with code `invalid`
 */
export function parseWith<Schema extends v.BaseSchema<unknown, unknown, v.BaseIssue<unknown>>>(
  schema: Schema,
  value: unknown,
): DeepReadonly<v.InferOutput<Schema>> {
  const result = v.safeParse(schema, value);
  if (!result.success) throw new ConfigError('invalid', result.issues.map(problemOf));
  deepFreeze(result.output);
  return result.output as DeepReadonly<v.InferOutput<Schema>>;
}

/**
 * How many workers a config asks for on a machine.
 *
 * @param workers - `dataplane.workers`
 * @param coreCount - processors that this process may use
 */
export function workerCount(workers: Config['dataplane']['workers'], coreCount: number): number {
  return workers === 'auto' ? Math.max(1, Math.min(coreCount, AUTO_WORKERS_MAX)) : workers;
}

function problemOf(issue: v.BaseIssue<unknown>): ConfigProblem {
  return { path: formatPath((issue.path ?? []).map((step) => step.key)), message: issue.message };
}

/** `['vlans', 0, 'mtuBytes']` → `vlans[0].mtuBytes`. */
export function formatPath(steps: readonly unknown[]): string {
  let path = '';
  for (const step of steps) {
    if (typeof step === 'number') path += `[${step}]`;
    else path += path === '' ? String(step) : `.${String(step)}`;
  }
  return path;
}

function duplicateProblems(config: Config): ConfigProblem[] {
  const problems: ConfigProblem[] = [];
  for (const key of ['id', 'interface'] as const) {
    const firstIndex = new Map<string, number>();
    for (const [index, vlan] of config.vlans.entries()) {
      const earlier = firstIndex.get(vlan[key]);
      if (earlier === undefined) firstIndex.set(vlan[key], index);
      else
        problems.push({ path: `vlans[${index}].${key}`, message: `is the same as vlans[${earlier}].${key}` });
    }
  }
  return problems;
}

function inviteProblems(config: Config): ConfigProblem[] {
  return config.vlans.flatMap((vlan, index) => {
    const parsed = vlan.invite === undefined ? undefined : parseInvite(vlan.invite);
    if (parsed?.ok !== true) return [];
    const path = `vlans[${index}]`;
    if (parsed.invite.id !== vlan.id) {
      return [{ path: `${path}.invite`, message: `leads to another VLAN than the id, ${parsed.invite.id}` }];
    }
    const isOpen = vlan.private && parsed.invite.kind === 'open';
    return isOpen
      ? [{ path: `${path}.private`, message: 'is true, but the invite leads to an open VLAN' }]
      : [];
  });
}

function mtuProblems(config: Config): ConfigProblem[] {
  return config.vlans.flatMap((vlan, index) => {
    const hasIpv6 = vlan.addresses.some((address) => isIPv6(address.split('/')[0] ?? ''));
    if (!hasIpv6 || vlan.mtuBytes >= IPV6_LEAST_MTU_BYTES) return [];
    const message = `expected ${IPV6_LEAST_MTU_BYTES}..9000 with an IPv6 address, got ${vlan.mtuBytes}`;
    return [{ path: `vlans[${index}].mtuBytes`, message }];
  });
}

/** Worker i binds the datagram port + i, so the last one must be a port too, and none of them one of QUIC's. */
function portProblems(config: Config): ConfigProblem[] {
  const workers = workerCount(config.dataplane.workers, AUTO_WORKERS_MAX);
  const highest = 65_535 - (workers - 1);
  const first = config.listen.datagram.port;
  if (first > highest) {
    const message = `expected 1..${highest}, since ${workers} workers take a port each, got ${first}`;
    return [{ path: 'listen.datagram.port', message }];
  }
  const last = first + workers - 1;
  return config.listen.libp2p.flatMap((address, index) => {
    const listen = listenPort(address);
    if (listen?.kind !== 'udp' || listen.port < first || listen.port > last) return [];
    const message = `UDP port ${listen.port} is one of those for frames (${first}..${last}); choose another`;
    return [{ path: `listen.libp2p[${index}]`, message }];
  });
}

/** Whoever turns relaying on and says for whom to nobody has forgotten half of it. */
function relayProblems({ relay }: Config): ConfigProblem[] {
  if (!relay.enabled || relay.allow.length > 0) return [];
  const message = 'is empty, so that nothing would be carried; ["*"] carries for everybody';
  return [{ path: 'relay.allow', message }];
}

function deepFreeze(value: unknown): void {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return;
  Object.freeze(value);
  for (const child of Object.values(value)) deepFreeze(child);
}
