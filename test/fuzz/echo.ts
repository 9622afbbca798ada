/**
 * Fuzzing entry for echoes: the bytes as a sealed datagram from outside, and as a body that a member sealed.
 */
import { EchoMachine } from '../../control/echo/echo-machine.ts';
import { openEcho } from '../../control/echo/echo-outlet.ts';
import { deriveOpenEpoch } from '../../control/vlan/open-epoch.ts';

const epoch = deriveOpenEpoch(new Uint8Array(16), 20_778);

/** Must neither throw nor open what was not sealed, nor answer with more than was asked. */
export function fuzz(bytes: Uint8Array): void {
  if (openEcho(epoch, bytes, { kind: 4, flags: 0, class: 0 }) !== undefined) {
    throw new Error('random bytes opened as an echo');
  }
  const machine = new EchoMachine({
    randomBytes: (count) => new Uint8Array(count),
    claimantOf: () => 'peer',
  });
  for (const type of [1, 2]) {
    const body = Uint8Array.from([type, ...bytes]);
    // Its size, which says how long the datagram was.
    if (body.length > 21) new DataView(body.buffer).setUint16(20, body.length + 80, true);
    for (const effect of machine.handle({ kind: 'heard', vlan: 'vlan', peer: 'peer', body }, 0)) {
      if (effect.kind === 'send' && effect.body.length > body.length) throw new Error('a larger answer');
    }
  }
}
