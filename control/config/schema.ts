/**
 * The schema of the config file: every key, its default, its range, and the reason for each limit.
 *
 * Runs wherever a config or a request is read; pure but for libraries. Must never fill in a value that the
 * file gives wrongly: what is wrong is said, with its path and its range.
 */
import { isIP } from 'node:net';
import * as v from 'valibot';
import { relayRuleProblem } from '../relay/relay-rule.ts';
import { parseInvite } from '../vlan/invite.ts';
import { DEFAULT_CONTROL_SOCKET, DEFAULT_STATE_DIRECTORY } from './defaults.ts';
import { dialAddressProblem, listenAddressProblem } from './libp2p-address.ts';
import {
  attachmentEntries,
  checkedText,
  flag,
  integer,
  integerOrAuto,
  integerOrUnlimited,
  inviteSchema,
  list,
  oneOf,
  section,
  shown,
  vlanIdSchema,
} from './schema-parts.ts';

/** One table slot each in the data plane's shared memory. */
const MAX_VLANS = 256;
/** One slot each in the trunk table. */
const MAX_TRUNKS = 1024;
/** Lanes are numbered by 4 bits of a worker's index. */
const MAX_WORKERS = 16;
/** Oftener, the heartbeats of 1,024 warm peers would be traffic of their own; an hour outlives a NAT's memory. */
const MIN_HEARTBEAT_MS = 1_000;
const MAX_HEARTBEAT_MS = 3_600_000;
/** sockaddr_un holds 108 bytes with the closing zero. */
const MAX_SOCKET_PATH_BYTES = 107;
/** The table of segments, less the own ones that a node may have. */
const MAX_RELAYED_SEGMENTS = 3_072;
/** More rules are a list of members, which is what private VLANs are for. */
const MAX_RELAY_RULES = 1_024;
/** No kernel sends more datagrams. */
const MAX_DATAGRAMS_PER_SECOND = 100_000_000;
/** One datagram of the least size a second; and what two grants of credit hold in 31 bits. */
const MIN_BYTES_PER_SECOND = 1_500;
const MAX_BYTES_PER_SECOND = 10_000_000_000;

const DEFAULT_LIBP2P_LISTEN = ['/ip4/0.0.0.0/tcp/7946'];

function absolutePathProblem(text: string): string | undefined {
  return text.startsWith('/') && !text.includes('\0')
    ? undefined
    : `expected an absolute path, got ${shown(text)}`;
}

function socketPathProblem(text: string): string | undefined {
  const bytes = new TextEncoder().encode(text).length;
  if (bytes > MAX_SOCKET_PATH_BYTES) {
    return `expected a path of at most ${MAX_SOCKET_PATH_BYTES} bytes (a limit of Unix sockets), got ${bytes}`;
  }
  return absolutePathProblem(text);
}

function ipProblem(text: string): string | undefined {
  return isIP(text) === 0 ? `expected an IPv4 or IPv6 address, got ${shown(text)}` : undefined;
}

/** An invite says which VLAN it leads to, so that the id may be left out. */
function withIdOfInvite(document: object): object {
  if (!('invite' in document) || 'id' in document || typeof document.invite !== 'string') return document;
  const parsed = parseInvite(document.invite);
  return parsed.ok ? { id: parsed.invite.id, ...document } : document;
}

/** A VLAN to be in. An invite is used until the VLAN has admitted this node, and is no matter after that. */
const vlanSchema = section(
  {
    id: vlanIdSchema,
    ...attachmentEntries,
    private: v.optional(flag(), false),
    invite: v.exactOptional(inviteSchema),
  },
  withIdOfInvite,
);

const listenSchema = section({
  libp2p: v.optional(list(checkedText('a libp2p address', listenAddressProblem), 16), DEFAULT_LIBP2P_LISTEN),
  datagram: v.optional(
    section({
      address: v.optional(checkedText('an IP address', ipProblem), '0.0.0.0'),
      port: v.optional(integer(1, 65_535), 7947),
    }),
    {},
  ),
});

const dataplaneSchema = section({
  engine: v.optional(oneOf(['auto', 'native', 'typescript']), 'auto'),
  workers: v.optional(integerOrAuto(1, MAX_WORKERS), 'auto'),
  offloads: v.optional(
    section({
      tapTso: v.optional(flag(), true),
      tapUso: v.optional(flag(), true),
      udpGso: v.optional(flag(), true),
      udpGro: v.optional(flag(), true),
    }),
    {},
  ),
});

const discoverySchema = section({
  mdns: v.optional(flag(), true),
  dht: v.optional(flag(), true),
});

/** @param segments - the default */
const relayQuotaSchema = (segments: number) =>
  section({
    datagramsPerSecond: v.optional(integerOrUnlimited(1, MAX_DATAGRAMS_PER_SECOND), 'unlimited'),
    bytesPerSecond: v.optional(integerOrUnlimited(MIN_BYTES_PER_SECOND, MAX_BYTES_PER_SECOND), 'unlimited'),
    segments: v.optional(integer(1, MAX_RELAYED_SEGMENTS), segments),
  });

const relayRulesSchema = list(checkedText('a rule', relayRuleProblem), MAX_RELAY_RULES);

/** A neighbour with 64 VLANs in the middle of a change of epoch has 192 segments. */
const relaySchema = section({
  enabled: v.optional(flag(), false),
  allow: v.optional(relayRulesSchema, []),
  deny: v.optional(relayRulesSchema, []),
  perPeer: v.optional(relayQuotaSchema(256), {}),
  total: v.optional(relayQuotaSchema(1_024), {}),
  trace: v.optional(flag(), true),
});

const logSchema = section({
  level: v.optional(oneOf(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']), 'info'),
  format: v.optional(oneOf(['auto', 'json', 'pretty']), 'auto'),
});

/** The whole file. */
export const configSchema = section({
  stateDirectory: v.optional(checkedText('a path', absolutePathProblem), DEFAULT_STATE_DIRECTORY),
  controlSocket: v.optional(checkedText('a path', socketPathProblem), DEFAULT_CONTROL_SOCKET),
  listen: v.optional(listenSchema, {}),
  bootstrap: v.optional(list(checkedText('a libp2p address', dialAddressProblem), 64), []),
  connectionLimit: v.optional(integer(1, MAX_TRUNKS), 256),
  discovery: v.optional(discoverySchema, {}),
  heartbeatIntervalMs: v.optional(integer(MIN_HEARTBEAT_MS, MAX_HEARTBEAT_MS), 60_000),
  dataplane: v.optional(dataplaneSchema, {}),
  relay: v.optional(relaySchema, {}),
  log: v.optional(logSchema, {}),
  vlans: v.optional(list(vlanSchema, MAX_VLANS), []),
});
