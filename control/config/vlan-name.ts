/**
 * What a VLAN may be called. Any thread; pure.
 *
 * Apart from the schema, so that the command line checks a name without loading a validator.
 */

/** A name has to fit a line of `peertap vlan list`. */
const MAX_VLAN_NAME_BYTES = 64;

/** @returns what is wrong with the name, or undefined */
export function vlanNameProblem(text: string): string | undefined {
  const bytes = new TextEncoder().encode(text).length;
  // Control characters would let a name write over a terminal that lists it.
  return bytes >= 1 && bytes <= MAX_VLAN_NAME_BYTES && !/\p{Cc}/u.test(text)
    ? undefined
    : `expected a name of 1..${MAX_VLAN_NAME_BYTES} bytes, without control characters`;
}
