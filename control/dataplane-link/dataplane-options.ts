/** What the data plane is made of and asked for, as control/daemon.ts says it. Types only. */
import type { EngineName } from '../../dataplane/contract/engine.ts';
import type { Subsystem } from '../admin/inspection.ts';
import type { Config } from '../config/config.ts';
import type { MovingHosts, VlanKind } from '../membership/membership-port.ts';
import type { MulticastMode } from '../multicast/multicast-mode.ts';
import type { PathPolicy } from '../vlan/path-policy.ts';
import type { MemoryOptions } from './dataplane-memory.ts';

/** Something to log. */
export interface DataplaneLogEntry {
  readonly level: 'debug' | 'info' | 'warn' | 'error';
  /** Absent: the data plane's own. */
  readonly subsystem?: Subsystem;
  readonly code: string;
  readonly message: string;
}

/** The node's key and secret; identity/node-identity.ts has this shape. */
export interface DataplaneIdentity {
  /** PeerId, text form. */
  readonly peerId: string;
  /** Ed25519, 32 bytes. */
  readonly publicKey: Uint8Array;
  /** Seed ‖ public key, 64 bytes. */
  readonly privateKey: Uint8Array;
  /** 32 bytes. */
  readonly nodeSecret: Uint8Array;
}

/** What to open. */
export interface DataplaneOptions extends MemoryOptions {
  readonly engine: EngineName;
  /** What is carried for others. */
  readonly relay: Config['relay'];
  /** Divides a day; see token/token-period.ts. */
  readonly tokenPeriodSeconds: number;
  readonly identity: DataplaneIdentity;
  /** Lets a worker be crashed on request, for tests. */
  readonly debug?: boolean;
  log(entry: DataplaneLogEntry): void;
  /** What a machine does, for the log at its most talkative. */
  debugEffect(subsystem: Subsystem, effect: { readonly kind: string }): void;
}

/** An interface of a VLAN, as the config and the registry have it. */
export interface VlanAttachmentRequest {
  readonly interface: string;
  /** Such as `10.7.0.1/24`. */
  readonly addresses: readonly string[];
  readonly mtuBytes: number;
  readonly multicast: MulticastMode;
  readonly paths: PathPolicy;
  /** 0 … 255. */
  readonly treeRank: number;
}

/** What of a VLAN's record concerns its frames, under the record's names. */
export interface VlanPolicy {
  readonly cipher: 'aes-256-gcm' | 'chacha20-poly1305';
  /** 60 or more; divides a day. */
  readonly tokenPeriodSeconds: number;
  readonly movingHosts: MovingHosts;
  /** Other nodes in the roster. */
  readonly membersMax: number;
}

/** A VLAN to take part in; a registry entry has this shape. */
export interface VlanRequest {
  readonly idBytes: Uint8Array;
  /** Absent: open. */
  readonly kind?: VlanKind;
  /** Absent: AES-256-GCM, the daemon's token period, hosts that do not move while they are held. */
  readonly policy?: VlanPolicy;
  /** Absent: a member without an interface. */
  readonly attachment?: VlanAttachmentRequest;
}
