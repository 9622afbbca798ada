/**
 * What an invite looks like as text, as far as a config or a command can tell.
 *
 * Apart from what is inside, so that a command checks it without loading what reads it. Pure.
 */

/** How an invite begins: no id, name or interface that a command could take it for does. */
export const INVITE_HEAD = 'peertap1-';
/** A dozen bootstrap addresses and a secret take some 1,500 characters. */
const MAX_INVITE_CHARACTERS = 4096;

/** @returns what is wrong with the text, or undefined */
export function inviteProblem(text: string): string | undefined {
  const length = text.length;
  if (length < 1 || length > MAX_INVITE_CHARACTERS) {
    return `expected an invite of 1..${MAX_INVITE_CHARACTERS} characters, got ${length}`;
  }
  if (!isInvite(text)) return `expected an invite, which begins with ${INVITE_HEAD}; was it cut?`;
  return /^[!-~]+$/.test(text) ? undefined : 'expected an invite, one word without blanks; was it wrapped?';
}

/** Whether a text is meant as an invite, and not as the id or the name of a VLAN. */
export function isInvite(text: string): boolean {
  return text.startsWith(INVITE_HEAD);
}
