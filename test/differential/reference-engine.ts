/**
 * The TypeScript engine without a kernel: its stages over memory alone. Tests only.
 */
import type { Engine } from '../../dataplane/contract/engine.ts';
import { chooseCrypto } from '../../dataplane/crypto/choose-crypto.ts';
import type { Arena } from '../../dataplane/shm/arena.ts';
import type { Tables } from '../../dataplane/shm/tables.ts';
import { composeEngine } from '../../dataplane/workers/typescript-engine.ts';
import { NO_IO } from '../harness/no-io.ts';

/** The reference's stages over a worker's memory. */
export function createReferenceEngine(tables: Tables, arena: Arena): Engine {
  return composeEngine(tables, arena, NO_IO, chooseCrypto(tables, arena));
}
