/**
 * Owns where the project lies, for what the bench writes and names. Any thread; pure.
 */

import { fileURLToPath } from 'node:url';

/** With a slash at its end. */
export const PROJECT_ROOT = fileURLToPath(new URL('..', import.meta.url));
