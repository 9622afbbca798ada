/** What the data plane is made of and asked for, as control/daemon.ts says it. Types only. */
import type { EngineName } from '../../dataplane/contract/engine.ts';
import type { MemoryOptions } from './dataplane-memory.ts';

/** Something to log. */
export interface DataplaneLogEntry {
  readonly level: 'debug' | 'info' | 'warn' | 'error';
  readonly code: string;
  readonly message: string;
}

/** The node's key and secret; identity/node-identity.ts has this shape. */
export interface DataplaneIdentity {
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
  /** Divides a day; see token/token-period.ts. */
  readonly tokenPeriodSeconds: number;
  readonly identity: DataplaneIdentity;
  /** Lets a worker be crashed on request, for tests. */
  readonly debug?: boolean;
  log(entry: DataplaneLogEntry): void;
}

/** An interface of a VLAN, as the config and the registry have it. */
export interface VlanAttachmentRequest {
  readonly interface: string;
  /** Such as `10.7.0.1/24`. */
  readonly addresses: readonly string[];
  readonly mtuBytes: number;
}

/** A VLAN to take part in; a registry entry has this shape. */
export interface VlanRequest {
  readonly idBytes: Uint8Array;
  /** Absent: a member without an interface. */
  readonly attachment?: VlanAttachmentRequest;
}
