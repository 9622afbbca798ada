/**
 * Sections 3 and 4 of the protocol written down in the plainest way, with node:crypto and whole copies: the judge of
 * the vectors and of both engines. It shares no code with the dataplane.
 */
import { createCipheriv, createSecretKey } from 'node:crypto';

/** Everything that a sealed frame is made of. */
export interface SealedFrameInput {
  readonly cipher: 'aes-256-gcm' | 'chacha20-poly1305';
  readonly frameKey: Uint8Array;
  readonly maskKey: Uint8Array;
  readonly token: Uint8Array;
  readonly kind: number;
  readonly flags: number;
  readonly class: number;
  /** leaf u24 | lane u8 << 24. */
  readonly leafLane: number;
  /** 6 bytes. */
  readonly salt: Uint8Array;
  readonly counter: number;
  readonly plain: Uint8Array;
}

/** Masked sender ‖ ciphertext ‖ tag: bytes 32 to the end of a link datagram (protocol section 4). */
export function sealFrame(input: SealedFrameInput): Uint8Array {
  const counter = littleEndian(BigInt(input.counter), 6);
  const sender = Buffer.concat([littleEndian(BigInt(input.leafLane), 4), input.salt, counter]);
  const kindAndFlags = input.kind | (input.flags << 4);
  const aad = Buffer.concat([input.token, Uint8Array.of(kindAndFlags, input.class), sender]);
  const nonce = Buffer.concat([new Uint8Array(6), counter]);
  const sealed = aead(input.cipher, input.frameKey, nonce, aad, input.plain);
  const mask = aesBlock(input.maskKey, sealed.subarray(sealed.length - 16));
  return Buffer.concat([xor(sender, mask), sealed]);
}

/** What a link header is made of. */
export interface LinkInput {
  /** k1 ‖ k2 ‖ k3 ‖ k4. */
  readonly keys: Uint8Array;
  readonly receiver: number;
  readonly counter: bigint;
  readonly kind: number;
  readonly flags: number;
  readonly hops: number;
  readonly class: number;
  readonly token: Uint8Array;
}

/** A whole link datagram (protocol section 3) around bytes 32 to the end. */
export function closeDatagram(input: LinkInput, rest: Uint8Array): Uint8Array {
  const [k1, k2, k3] = laneKeys(input.keys);
  const length = 32 + rest.length;
  const counter = littleEndian(input.counter, 8);
  const control = Uint8Array.of(input.kind | (input.flags << 4), input.hops, input.class);
  const receiver = littleEndian(BigInt(input.receiver), 4);
  const tweakInput = Buffer.concat([
    Uint8Array.of(0x11),
    control,
    littleEndian(BigInt(length), 2),
    new Uint8Array(2),
    counter,
  ]);
  const tweak = aesBlock(k2, tweakInput);
  const block = xor(aesBlock(k1, xor(input.token, tweak)), tweak);
  const mask = aesBlock(k3, Buffer.concat([new Uint8Array(4), receiver, counter]));
  const header = Buffer.concat([Uint8Array.of(0x11), xor(control, mask.subarray(0, 3)), receiver, counter]);
  return new Uint8Array(Buffer.concat([header, block, rest]));
}

/** Bytes 32 to the end of a link datagram of kind 5: the body under k4 (protocol section 3). */
export function sealLinkBody(input: LinkInput, body: Uint8Array): Uint8Array {
  const counter = littleEndian(input.counter, 8);
  const control = Uint8Array.of(input.kind | (input.flags << 4), input.hops, input.class);
  const aad = Buffer.concat([Uint8Array.of(0x11), control, littleEndian(BigInt(input.receiver), 4), counter]);
  const nonce = Buffer.concat([new Uint8Array(4), counter]);
  return aead('aes-256-gcm', laneKeys(input.keys)[3], nonce, aad, body);
}

function laneKeys(keys: Uint8Array): [Uint8Array, Uint8Array, Uint8Array, Uint8Array] {
  return [keys.slice(0, 32), keys.slice(32, 64), keys.slice(64, 96), keys.slice(96, 128)];
}

function aead(
  cipher: SealedFrameInput['cipher'],
  key: Uint8Array,
  nonce: Uint8Array,
  aad: Uint8Array,
  plain: Uint8Array,
): Uint8Array {
  const secret = createSecretKey(key);
  const sealing =
    cipher === 'aes-256-gcm'
      ? createCipheriv(cipher, secret, nonce)
      : createCipheriv(cipher, secret, nonce, { authTagLength: 16 });
  sealing.setAAD(aad, { plaintextLength: plain.length });
  return Buffer.concat([sealing.update(plain), sealing.final(), sealing.getAuthTag()]);
}

function aesBlock(key: Uint8Array, block: Uint8Array): Uint8Array {
  const cipher = createCipheriv('aes-256-ecb', createSecretKey(key), null).setAutoPadding(false);
  return Buffer.concat([cipher.update(block), cipher.final()]);
}

function xor(left: Uint8Array, right: Uint8Array): Uint8Array {
  return left.map((byte, index) => byte ^ (right[index] ?? 0));
}

function littleEndian(value: bigint, bytes: number): Uint8Array {
  return Uint8Array.from({ length: bytes }, (_, index) => Number((value >> BigInt(8 * index)) & 0xffn));
}
