/**
 * From an error of any part of control to an HTTP answer `{error: {code, message}}`.
 *
 * Main thread; pure. Must never show the message of a bug to a client: that is for the log.
 */
import { ConfigError } from '../config/config-error.ts';

/** The body of every answer that is not 2xx. */
export interface ErrorBody {
  readonly error: { readonly code: string; readonly message: string };
}

/** Statuses by code; an operating error that is not here is the daemon's failure, 500. */
const STATUS_BY_CODE: Readonly<Record<string, number>> = {
  'bad-request': 400,
  'invalid-name': 400,
  'invalid-invite': 400,
  'invalid-setting': 400,
  'invalid-swarm-key': 400,
  'not-admin': 403,
  'not-owner': 403,
  'not-permitted': 403,
  'no-permission': 403,
  'not-found': 404,
  'not-a-member': 404,
  'no-member': 404,
  'no-request': 404,
  'no-interface': 409,
  'method-not-allowed': 405,
  'already-joined': 409,
  'not-private': 409,
  'in-swarm': 409,
  'no-swarm': 409,
  'no-rotation': 409,
  'interface-taken': 409,
  'too-many-invites': 409,
  'too-many-vlans': 409,
  'body-too-large': 413,
  busy: 503,
  stopping: 503,
};

/**
 * The answer to a request that failed.
 *
 * @param error - what was thrown; an operating error has a lower-case `code`
 * @returns status, body, and whether it is a bug that the log should have in full
 */
export function errorAnswer(error: unknown): { status: number; body: ErrorBody; isBug: boolean } {
  if (error instanceof ConfigError) {
    return { status: 400, body: { error: { code: 'bad-request', message: error.message } }, isBug: false };
  }
  const code = operatingCode(error);
  if (code === undefined || !(error instanceof Error)) {
    const message = 'the daemon met an unexpected error; its log has the details';
    return { status: 500, body: { error: { code: 'internal', message } }, isBug: true };
  }
  const status = STATUS_BY_CODE[code] ?? 500;
  return { status, body: { error: { code, message: error.message } }, isBug: false };
}

/** Codes of our own error classes are lower-case words; those of Node and the system are upper-case. */
function operatingCode(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error)) return undefined;
  return typeof error.code === 'string' && /^[a-z][a-z-]*$/.test(error.code) ? error.code : undefined;
}
