/**
 * `peertap id`: prints this node's PeerId, and makes its identity when there is none.
 *
 * Loads neither libp2p nor the data plane.
 */
import { AdminClient } from '../admin/admin-client.ts';
import { IdentityError } from '../identity/identity-error.ts';
import { loadOrCreateIdentity } from '../identity/node-identity.ts';
import type { CommandIo } from './command-io.ts';
import { findConfig } from './default-config.ts';

/** Prints the PeerId alone on stdout. */
export async function runId(options: { config?: string; socket?: string }, io: CommandIo): Promise<void> {
  const { config } = await findConfig(options.config, options.socket);
  try {
    const { identity, created } = await loadOrCreateIdentity(config.stateDirectory);
    if (created) io.err(`made a new identity in ${config.stateDirectory}`);
    io.out(identity.peerId);
  } catch (error) {
    if (!(error instanceof IdentityError) || error.code !== 'permission') throw error;
    // Who may not read the key may still be in the control socket's group.
    const status = await new AdminClient(config.controlSocket).status().catch(() => undefined);
    if (status === undefined) throw error;
    io.out(status.peerId);
  }
}
