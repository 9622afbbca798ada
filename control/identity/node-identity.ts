/**
 * The node's Ed25519 key on disk: read, checked, and made when it is missing.
 *
 * node-key.pem:  "# PeerId: 12D3KooW…"  a line for people, and the check that the key is whole
 *                PKCS#8 PEM             as OpenSSL reads it (RFC 8410 §7)
 *
 * Runs on the main thread at start and in the command. Must never overwrite a key, load one that others may
 * read, or print any part of it.
 */
import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  hkdfSync,
  type KeyObject,
} from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { errnoOf, fileSystemError, IdentityError } from './identity-error.ts';
import { formatPeerId } from './peer-id.ts';
import { createFileDurably, ensureStateDirectory } from './state-directory.ts';

const KEY_FILE = 'node-key.pem';
const NODE_SECRET_BYTES = 32;

/** Who this node is. */
export interface NodeIdentity {
  /** Text form, `12D3KooW…`. */
  readonly peerId: string;
  /** Raw Ed25519 public key, 32 bytes. */
  readonly publicKey: Uint8Array;
  /** Seed ‖ public key, 64 bytes: what libp2p's `privateKeyFromRaw` takes. */
  readonly privateKey: Uint8Array;
  /** 32 bytes known to this node alone, the same after each start; TAP MAC addresses come from it. */
  readonly nodeSecret: Uint8Array;
}

/** Where the key of a state directory lies. */
export function identityPath(stateDirectory: string): string {
  return join(stateDirectory, KEY_FILE);
}

/**
 * Reads the node's key, or makes directory and key when they are missing.
 *
 * @param stateDirectory - `stateDirectory` of the config
 * @returns the identity, and whether it was made now
 * @throws IdentityError: `permission`, `exposed`, `corrupt` or `io`
 */
export async function loadOrCreateIdentity(
  stateDirectory: string,
): Promise<{ readonly identity: NodeIdentity; readonly created: boolean }> {
  const found = await loadIdentity(stateDirectory);
  if (found !== undefined) return { identity: found, created: false };
  await ensureStateDirectory(stateDirectory);
  const { privateKey } = generateKeyPairSync('ed25519');
  const identity = identityOf(privateKey);
  const pem = privateKey.export({ format: 'pem', type: 'pkcs8' });
  if (await createFileDurably(identityPath(stateDirectory), `# PeerId: ${identity.peerId}\n${pem}`)) {
    return { identity, created: true };
  }
  // Another process made one between the look and the link: that one counts.
  const theirs = await loadIdentity(stateDirectory);
  if (theirs === undefined) throw corrupt(identityPath(stateDirectory), 'it vanished while it was read');
  return { identity: theirs, created: false };
}

/**
 * Reads the node's key.
 *
 * @returns undefined when there is none
 * @throws IdentityError: `permission`, `exposed`, `corrupt` or `io`
 */
export async function loadIdentity(stateDirectory: string): Promise<NodeIdentity | undefined> {
  const path = identityPath(stateDirectory);
  const text = await readPrivateFile(path);
  if (text === undefined) return undefined;
  const identity = identityOf(parseKey(text, path));
  const named = /^# PeerId: (\S+)$/m.exec(text)?.[1];
  if (named !== undefined && named !== identity.peerId) {
    throw corrupt(path, `its first line names ${named}, but the key is that of ${identity.peerId}`);
  }
  return identity;
}

async function readPrivateFile(path: string): Promise<string | undefined> {
  try {
    const { mode } = await stat(path);
    if ((mode & 0o077) !== 0) throw exposed(path, mode);
    return await readFile(path, 'utf8');
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error instanceof IdentityError ? error : fileSystemError('read the node key', path, error);
  }
}

function parseKey(pem: string, path: string): KeyObject {
  let key: KeyObject;
  try {
    key = createPrivateKey(pem);
  } catch (error) {
    throw corrupt(path, 'it holds no private key in PEM', error);
  }
  if (key.asymmetricKeyType !== 'ed25519') {
    throw corrupt(path, `it holds a key of type ${String(key.asymmetricKeyType)}, not ed25519`);
  }
  return key;
}

function identityOf(privateKey: KeyObject): NodeIdentity {
  const publicKey = rawKey(createPublicKey(privateKey).export({ format: 'jwk' }).x);
  const seed = rawKey(privateKey.export({ format: 'jwk' }).d);
  const raw = new Uint8Array(seed.length + publicKey.length);
  raw.set(seed);
  raw.set(publicKey, seed.length);
  return {
    peerId: formatPeerId(publicKey),
    publicKey,
    privateKey: raw,
    nodeSecret: new Uint8Array(hkdfSync('sha256', seed, '', 'peertap node secret v1', NODE_SECRET_BYTES)),
  };
}

/** JWK's base64url fields `x` and `d` are the raw keys. RFC 8037 §2 */
function rawKey(field: string | undefined): Uint8Array {
  return new Uint8Array(Buffer.from(field ?? '', 'base64url'));
}

function exposed(path: string, mode: number): IdentityError {
  const shown = (mode & 0o777).toString(8).padStart(4, '0');
  return new IdentityError(
    'exposed',
    path,
    `${path} has mode ${shown}, so other users may have read this node's key. ` +
      `If none has, \`chmod 600 ${path}\`; else remove it, and a new identity is made at the next start`,
  );
}

function corrupt(path: string, why: string, cause?: unknown): IdentityError {
  return new IdentityError(
    'corrupt',
    path,
    `${path} is no usable node key: ${why}. Restore it from a backup, or remove it to get a new identity`,
    { cause },
  );
}
