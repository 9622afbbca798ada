/**
 * Why a group's job cannot be done, with the code of the port. Stays inside the pool's task: what leaves it is a result.
 */
import { reasonOf } from '../../../../dataplane/base/error-reason.ts';
import type { GroupErrorCode } from '../group-port.ts';

/** A job's end without a value. */
export class GroupFailure extends Error {
  readonly code: GroupErrorCode;

  constructor(code: GroupErrorCode, message: string, cause?: unknown) {
    super(message, { cause });
    this.name = 'GroupFailure';
    this.code = code;
  }
}

/** Demands something of what others sent. @throws GroupFailure `invalid` */
export function requireValid(condition: boolean, reason: string): asserts condition {
  if (!condition) throw new GroupFailure('invalid', reason);
}

/**
 * Runs what handles others' bytes: whatever it throws is their fault.
 *
 * @throws GroupFailure, `invalid` unless it says otherwise by itself
 */
export async function judging<T>(what: string, handle: () => T | Promise<T>): Promise<T> {
  try {
    return await handle();
  } catch (error) {
    const code = error instanceof GroupFailure ? error.code : 'invalid';
    throw new GroupFailure(code, `${what}: ${shortReasonOf(error)}`, error);
  }
}

/** A thrown value in one line, without a peer's own text growing into a log. */
export function shortReasonOf(error: unknown): string {
  const text = reasonOf(error);
  return text.length > REASON_CHARACTERS ? `${text.slice(0, REASON_CHARACTERS)}…` : text;
}

const REASON_CHARACTERS = 200;
