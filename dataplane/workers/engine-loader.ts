/**
 * Chooses a worker's engine by name. A worker's thread at its start; each engine's code is loaded only where it is
 * the one, since the native addon may not be there and the other one's libraries cost memory.
 */
import type { Engine, EngineName } from '../contract/engine.ts';
import type { Arena } from '../shm/arena.ts';
import type { Tables } from '../shm/tables.ts';

/**
 * Makes an engine that is bound to the caller's thread.
 *
 * @throws InvariantError when `native` was chosen and is not available; SystemError when the kernel refuses
 */
export async function loadEngine(name: EngineName, tables: Tables, arena: Arena): Promise<Engine> {
  if (name === 'native') {
    const { createNativeEngine } = await import('../native/load.ts');
    return createNativeEngine(tables, arena);
  }
  const { createTypescriptEngine } = await import('./typescript-engine.ts');
  return createTypescriptEngine(tables, arena);
}
