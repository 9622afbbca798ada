/** What can go wrong when an admin admits, in words for the person at the command. */

/** Codes that go to the command as they are. */
export type AdmissionErrorCode = 'not-admin' | 'no-request' | 'too-many-invites' | 'invalid-invite';

/** An operating error of the admission desk. */
export class AdmissionError extends Error {
  override readonly name = 'AdmissionError';
  readonly code: AdmissionErrorCode;

  constructor(code: AdmissionErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}
