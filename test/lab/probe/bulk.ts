/**
 * Probe program: one TCP stream in large writes, for a rate or for a checksum. Needs nothing but Node.
 *
 *   node bulk.ts '{"mode":"receive","address":"10.7.0.2","port":5300,"checksum":true}'
 *   node bulk.ts '{"mode":"send","address":"10.7.0.2","port":5300,"bytes":1073741824,"checksum":true}'
 *   node bulk.ts '{"mode":"send","address":"10.7.0.2","port":5300,"seconds":3}'
 *
 * A receiver writes the line `ready` when it listens. Both end with one line of JSON: bytes, seconds from the first
 * byte to the last, and the SHA-256 when asked. With a checksum every block differs from every other, so that a lost,
 * doubled or swapped piece shows. Runs in a namespace of the lab.
 */

import { createCipheriv, createHash, type Hash, randomBytes } from 'node:crypto';
import * as v from 'valibot';

import { StreamSocket } from '../stream-socket.ts';

const endpoint = { address: v.string(), port: v.number(), checksum: v.optional(v.boolean(), false) };
const request = v.variant('mode', [
  v.object({ mode: v.literal('receive'), ...endpoint }),
  v.object({
    mode: v.literal('send'),
    ...endpoint,
    bytes: v.optional(v.number()),
    seconds: v.optional(v.number()),
  }),
]);

const BLOCK_BYTES = 256 * 1024;

interface Outcome {
  readonly bytes: number;
  readonly seconds: number;
  readonly sha256?: string;
}

const wanted = v.parse(request, JSON.parse(process.argv[2] ?? '{}'));
const outcome =
  wanted.mode === 'receive' ? receive() : send(wanted.bytes ?? Number.POSITIVE_INFINITY, wanted.seconds);
process.stdout.write(`${JSON.stringify(outcome)}\n`);

function receive(): Outcome {
  const stream = StreamSocket.acceptOne(wanted.address, wanted.port, () => process.stdout.write('ready\n'));
  const hash = wanted.checksum ? createHash('sha256') : undefined;
  const buffer = Buffer.alloc(BLOCK_BYTES);
  let bytes = 0;
  let firstMs = 0;
  for (let count = stream.receive(buffer); count > 0; count = stream.receive(buffer)) {
    if (bytes === 0) firstMs = performance.now();
    bytes += count;
    hash?.update(buffer.subarray(0, count));
  }
  const seconds = (performance.now() - firstMs) / 1000;
  stream.close();
  return describe(bytes, seconds, hash);
}

function send(byteLimit: number, secondLimit = Number.POSITIVE_INFINITY): Outcome {
  const stream = StreamSocket.connect(wanted.address, wanted.port);
  const hash = wanted.checksum ? createHash('sha256') : undefined;
  const nextBlock = blockSource();
  const startMs = performance.now();
  let bytes = 0;
  while (bytes < byteLimit && performance.now() - startMs < secondLimit * 1000) {
    const block = nextBlock(Math.min(BLOCK_BYTES, byteLimit - bytes));
    hash?.update(block);
    stream.send(block);
    bytes += block.length;
  }
  stream.finish();
  // The receiver closes when it has everything, so that the time holds what still lay in buffers.
  stream.receive(Buffer.alloc(1));
  const seconds = (performance.now() - startMs) / 1000;
  stream.close();
  return describe(bytes, seconds, hash);
}

/** Blocks of a keystream, which never repeat, for a checksum; else one block of zeroes over and over. */
function blockSource(): (size: number) => Buffer {
  const zeroes = Buffer.alloc(BLOCK_BYTES);
  if (!wanted.checksum) return (size) => zeroes.subarray(0, size);
  const keystream = createCipheriv('aes-128-ctr', randomBytes(16), randomBytes(16));
  return (size) => keystream.update(zeroes.subarray(0, size));
}

function describe(bytes: number, seconds: number, hash: Hash | undefined): Outcome {
  return { bytes, seconds, ...(hash === undefined ? {} : { sha256: hash.digest('hex') }) };
}
