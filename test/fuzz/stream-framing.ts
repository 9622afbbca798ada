/** Fuzzing entry point: both stream framings return for every input, however it is cut, and hold to their limits. */
import { CarrierReader } from '../../control/network/carrier-framing.ts';
import { MessageReader } from '../../control/network/message-framing.ts';

const MESSAGE_MAX_BYTES = 65_536;

export function fuzz(bytes: Uint8Array): void {
  const cutBytes = 1 + ((bytes[0] ?? 0) % 61);
  const messages = new MessageReader(MESSAGE_MAX_BYTES);
  const datagrams = new CarrierReader();
  let [isMessages, isDatagrams] = [true, true];
  for (let at = 0; at < bytes.length; at += cutBytes) {
    const chunk = bytes.subarray(at, at + cutBytes);
    isMessages &&= messages.push(chunk, (message) => {
      check(message.length <= MESSAGE_MAX_BYTES, 'a message over the limit');
    });
    isDatagrams &&= datagrams.push(chunk, (buffer, offset, length) => {
      check(length >= 64 && offset + length <= buffer.length, 'a datagram outside its buffer');
    });
  }
}

function check(condition: boolean, message: string): void {
  if (!condition) {
    throw new Error(message);
  }
}
