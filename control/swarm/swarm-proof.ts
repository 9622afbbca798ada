/**
 * How both ends of a connection prove that they have a key of the private swarm. Sans-I/O: messages in, messages out.
 *
 *   1  opener ──▶   version 1 │ nonce O 32
 *   2  acceptor ─▶  nonce A 32 │ proof under its current key 32 │ under the one before 32 (else 32 random bytes)
 *   3  opener ──▶   proof under its current key 32 │ under the one before 32 (else 32 random bytes)
 *
 *   proof = HMAC-SHA256(swarm key, "peertap swarm proof v1" │ direction u8 │ opener │ acceptor │ nonce O │ nonce A)
 *
 * Direction is 1 for the opener's proofs and 2 for the acceptor's, so that none can be sent back; opener and acceptor
 * are the PeerIds' text, a byte of length before each, as the connection authenticated them, so that none can be
 * passed on or played again. Two proofs at once: in a rotation's overlap any key that both ends have will do, and both
 * learn which those are.
 *
 * Main thread; pure. Must never throw for what a peer sends, and never compare proofs in a time that tells.
 *
 * @see docs/protocol.md, "Private swarm"
 */
import { createHmac, timingSafeEqual } from 'node:crypto';
import type { SwarmKey } from './swarm-key.ts';

/** Random bytes that {@link SwarmProof} needs: a nonce, and what stands for a key that is not there. */
export const PROOF_RANDOM_BYTES = 64;
/** The largest message of the exchange. */
export const PROOF_MESSAGE_MAX_BYTES = 96;
/** A node has a current key and in a rotation's overlap the one before. */
export const SWARM_KEYS_MAX = 2;

const VERSION = 1;
const NONCE_BYTES = 32;
const PROOF_BYTES = 32;
const PROOFS_BYTES = SWARM_KEYS_MAX * PROOF_BYTES;
const LABEL = Buffer.from('peertap swarm proof v1');
const FROM_OPENER = 1;
const FROM_ACCEPTOR = 2;

/** Who is at the ends, and what this one has. */
export interface ProofParty {
  readonly opener: string;
  readonly acceptor: string;
  readonly isOpener: boolean;
  /** The current key, then the one before. None: nothing will prove anything. */
  readonly keys: readonly SwarmKey[];
  /** Fresh, of {@link PROOF_RANDOM_BYTES}. */
  readonly random: Uint8Array;
}

/** What follows from a message. */
export type ProofStep =
  | { readonly kind: 'send'; readonly message: Uint8Array }
  /** The peer has these keys of ours; `message` is to be sent if there is one. */
  | {
      readonly kind: 'proven';
      readonly fingerprints: readonly string[];
      readonly message: Uint8Array | undefined;
    }
  | { readonly kind: 'refused'; readonly reason: string };

/** One end of one exchange. */
export class SwarmProof {
  readonly #party: ProofParty;
  readonly #nonce: Uint8Array;
  #peerNonce: Uint8Array | undefined;
  #isOver = false;

  constructor(party: ProofParty) {
    this.#party = party;
    this.#nonce = party.random.subarray(0, NONCE_BYTES);
  }

  /** @returns what the opener sends first; undefined at the acceptor */
  start(): Uint8Array | undefined {
    return this.#party.isOpener ? Uint8Array.from([VERSION, ...this.#nonce]) : undefined;
  }

  /** Takes the peer's next message. */
  receive(message: Uint8Array): ProofStep {
    if (this.#isOver) {
      return this.#refuse('it goes on after the end');
    }
    if (this.#party.isOpener) {
      return this.#receiveAnswer(message);
    }
    return this.#peerNonce === undefined ? this.#receiveNonce(message) : this.#receiveProofs(message);
  }

  #receiveNonce(message: Uint8Array): ProofStep {
    if (message.length !== 1 + NONCE_BYTES || message[0] !== VERSION) {
      return this.#refuse('it speaks another protocol before any proof of a swarm key');
    }
    this.#peerNonce = message.slice(1);
    const answer = [...this.#nonce, ...this.#proofs(FROM_ACCEPTOR)];
    return { kind: 'send', message: Uint8Array.from(answer) };
  }

  #receiveAnswer(message: Uint8Array): ProofStep {
    if (message.length !== NONCE_BYTES + PROOFS_BYTES) {
      return this.#refuse('it answers with something else than proofs');
    }
    this.#peerNonce = message.slice(0, NONCE_BYTES);
    const fingerprints = this.#proven(FROM_ACCEPTOR, message.subarray(NONCE_BYTES));
    if (fingerprints.length === 0) {
      return this.#refuse('it has no key of this swarm');
    }
    this.#isOver = true;
    return { kind: 'proven', fingerprints, message: this.#proofs(FROM_OPENER) };
  }

  #receiveProofs(message: Uint8Array): ProofStep {
    const fingerprints = message.length === PROOFS_BYTES ? this.#proven(FROM_OPENER, message) : [];
    if (fingerprints.length === 0) {
      return this.#refuse('it has no key of this swarm');
    }
    this.#isOver = true;
    return { kind: 'proven', fingerprints, message: undefined };
  }

  #refuse(reason: string): ProofStep {
    this.#isOver = true;
    return { kind: 'refused', reason };
  }

  #proofs(direction: number): Uint8Array {
    const proofs = new Uint8Array(PROOFS_BYTES);
    for (let place = 0; place < SWARM_KEYS_MAX; place++) {
      const key = this.#party.keys[place];
      const filler = this.#party.random.subarray(NONCE_BYTES, NONCE_BYTES + PROOF_BYTES);
      proofs.set(key === undefined ? filler : this.#proof(key, direction), place * PROOF_BYTES);
    }
    return proofs;
  }

  /** Every proof is compared with every key, whatever is found. */
  #proven(direction: number, proofs: Uint8Array): string[] {
    const found: string[] = [];
    for (const key of this.#party.keys.slice(0, SWARM_KEYS_MAX)) {
      const expected = this.#proof(key, direction);
      let isFound = false;
      for (let at = 0; at < PROOFS_BYTES; at += PROOF_BYTES) {
        isFound = timingSafeEqual(expected, proofs.subarray(at, at + PROOF_BYTES)) || isFound;
      }
      if (isFound) found.push(key.fingerprint);
    }
    return found;
  }

  #proof(key: SwarmKey, direction: number): Uint8Array {
    const { opener, acceptor, isOpener } = this.#party;
    const theirs = this.#peerNonce ?? new Uint8Array();
    const hmac = createHmac('sha256', key.secret).update(LABEL).update(Uint8Array.of(direction));
    for (const peer of [opener, acceptor]) {
      const text = Buffer.from(peer);
      hmac.update(Uint8Array.of(text.length)).update(text);
    }
    return hmac
      .update(isOpener ? this.#nonce : theirs)
      .update(isOpener ? theirs : this.#nonce)
      .digest();
  }
}
