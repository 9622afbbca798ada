/**
 * Reads and writes MLS messages, each of which has one spelling here: what does not write back to the same bytes is
 * refused, since a commit is named by the hash of its bytes.
 *
 * Pure functions, any thread.
 *
 * @see RFC 9420 §6 (MLSMessage), §2.1.2 (the shortest length is the only one)
 */
import { type CiphersuiteName, decodeMlsMessage, encodeMlsMessage } from 'ts-mls';
import type { MlsMessageContent } from 'ts-mls/message.js';
import { hash128 } from '../../../vlan/hash.ts';
import type { StateId } from '../group-port.ts';
import { GroupFailure, requireValid } from './group-failure.ts';
import { MESSAGE_BYTES_MAX } from './profile.ts';
import { type GroupSuite, groupSuiteOf } from './suites.ts';

type Wireformat = MlsMessageContent['wireformat'];
type ContentOf<Format extends Wireformat> = Extract<MlsMessageContent, { wireformat: Format }>;

/**
 * Reads a message of one kind.
 *
 * @param bytes - from anybody
 * @throws GroupFailure `invalid`, or what ts-mls throws at bytes that it cannot read
 */
export function readMessage<Format extends Wireformat>(
  bytes: Uint8Array,
  format: Format,
  bytesMax = MESSAGE_BYTES_MAX,
): ContentOf<Format> {
  requireValid(bytes.length <= bytesMax, `${bytes.length} bytes, more than ${bytesMax}`);
  const decoded = decodeMlsMessage(bytes, 0);
  requireValid(decoded !== undefined && decoded[1] === bytes.length, 'no MLS message, or more than one');
  const [message] = decoded;
  requireValid(isOfFormat(message, format), `${message.wireformat} in place of ${format}`);
  requireValid(Buffer.compare(encodeMlsMessage(message), bytes) === 0, 'not in its shortest spelling');
  return message;
}

/** Writes a message. @throws GroupFailure `limit` when others would refuse its size */
export function writeMessage(content: MlsMessageContent): Uint8Array {
  const bytes = encodeMlsMessage({ version: 'mls10', ...content });
  if (bytes.length > MESSAGE_BYTES_MAX) {
    throw new GroupFailure(
      'limit',
      `a message of ${bytes.length} bytes, more than ${MESSAGE_BYTES_MAX}: the group is too large for it`,
    );
  }
  return bytes;
}

/** Names a state by the bytes that led to it. */
export function stateIdOf(bytes: Uint8Array): StateId {
  return Buffer.from(hash128(bytes)).toString('hex');
}

/** Which of our suites a message is of. @throws GroupFailure `invalid` */
export function requireSuite(name: CiphersuiteName): GroupSuite {
  const suite = groupSuiteOf(name);
  requireValid(suite !== undefined, `the cipher suite ${name} is not in use here`);
  return suite;
}

function isOfFormat<Format extends Wireformat>(
  message: MlsMessageContent,
  format: Format,
): message is ContentOf<Format> {
  return message.wireformat === format;
}
