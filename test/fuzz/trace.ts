/** Fuzzing entry for the trunks' channel `trace`: the bytes as they are, and as each of the two messages. */
import { TraceMachine } from '../../control/trace/trace-machine.ts';

const TARGET = {
  peer: 'far',
  mac: '',
  segmentId: new Uint8Array(16),
  token: new Uint8Array(16),
  first: 'peer',
};

/** Must neither throw nor send more than one answer and one question on. */
export function fuzz(bytes: Uint8Array): void {
  const machine = new TraceMachine({
    self: 'self',
    randomBytes: (count) => new Uint8Array(count),
    wayOf: () => ({ isLocal: false, next: 'next' }),
    linkTo: () => ({ carrier: 'udp', rttMs: 1, datagramMtuBytes: 1472 }),
    isShown: () => true,
  });
  machine.handle({ kind: 'trace', trace: 1, target: TARGET, timeoutMs: 1000 }, 0);
  const question = Uint8Array.from({ length: 43 }, (_, index) => (index === 0 ? 1 : (bytes[index] ?? 0)));
  const answer = Uint8Array.from([2, ...bytes]);
  for (const message of [bytes, question, answer]) {
    const effects = machine.handle({ kind: 'heard', peer: 'peer', bytes: message }, 1);
    if (effects.length > 2) throw new Error(`${effects.length} effects of one message`);
  }
  machine.handle({ kind: 'tick' }, 100_000);
}
