/**
 * Who may say what in a simulated VLAN: its record, admissions and tombstones, and signatures as cheap as they get.
 *
 * A signature is a hash that names its signer; whoever has no key of another's is not asked for one, so a forgery is
 * anything else. Credentials hold if they were issued here. Tests only.
 */
import { hash as digestOf } from 'node:crypto';
import { type Credential, encodeCredential, type MemberRole } from '../../control/admission/credentials.ts';
import { formatPeerId } from '../../control/identity/peer-id.ts';
import type { OrderPorts, RecordFacts } from '../../control/membership/group/order/order-port.ts';

export const VLAN_ID = new Uint8Array(16).fill(7);
export const UNIX_OFFSET_MS = Date.UTC(2026, 10, 21);

interface Named {
  readonly peer: string;
}

/** See the file's head. */
export class OrderAuthority {
  /** PeerIds. */
  readonly admins = new Set<string>();
  /** Sequences of tombstones by peer, and of admissions after one. */
  readonly tombstones = new Map<string, number>();
  readonly readmitted = new Map<string, number>();
  /** Who put them out: what an admin did alone, and was itself put out then, may be lost with it. */
  readonly issuers = new Map<string, string>();
  rekeyIntervalSeconds = 3_600;
  recordSequence = 1;
  readonly #issued = new Map<string, Credential>();
  readonly #records = new Map<string, RecordFacts>();
  readonly #peers = new Map<string, string>();
  #sequence = UNIX_OFFSET_MS;

  /** The newest record. */
  record(): Uint8Array {
    const facts = { sequence: this.recordSequence, rekeyIntervalSeconds: this.rekeyIntervalSeconds };
    const text = JSON.stringify({ ...facts, admins: [...this.admins] });
    this.#records.set(text, { ...facts, admins: new Set(this.admins) });
    return new TextEncoder().encode(text);
  }

  admit({ peer }: Named, admin: Named, role: MemberRole = 'member'): Uint8Array {
    const sequence = ++this.#sequence;
    if (this.tombstones.has(peer)) this.readmitted.set(peer, sequence);
    return this.#issue({ kind: 'admission', peer, sequence, admin: admin.peer, role });
  }

  tombstone({ peer }: Named, admin: Named): Uint8Array {
    const sequence = ++this.#sequence;
    this.tombstones.set(peer, sequence);
    this.issuers.set(peer, admin.peer);
    return this.#issue({ kind: 'tombstone', peer, sequence, admin: admin.peer });
  }

  /** Whether the last word about a peer is that it is out. */
  isOut(peer: string): boolean {
    return (this.tombstones.get(peer) ?? -1) > (this.readmitted.get(peer) ?? -1);
  }

  /** 64 bytes that only this peer would sign with. */
  signature(peer: string, bytes: Uint8Array): Uint8Array {
    const input = new Uint8Array(peer.length + bytes.length);
    new TextEncoder().encodeInto(peer, input);
    input.set(bytes, peer.length);
    const half = digestOf('sha256', input, 'buffer');
    return new Uint8Array(Buffer.concat([half, half]));
  }

  /** The machine's ports of a node. */
  portsOf({ peer }: Named, randomBytes: (count: number) => Uint8Array): OrderPorts {
    return {
      randomBytes,
      sign: (bytes) => this.signature(peer, bytes),
      verify: (key, bytes, signature) =>
        Buffer.compare(this.signature(this.#peerOf(key), bytes), signature) === 0,
      readRecord: (bytes) => this.#records.get(new TextDecoder().decode(bytes)),
      readCredential: (bytes, admins) => {
        const credential = this.#issued.get(Buffer.from(bytes).toString('hex'));
        return credential !== undefined && admins.has(credential.admin) ? credential : undefined;
      },
    };
  }

  #issue(credential: Credential): Uint8Array {
    const sign = (body: Uint8Array): Uint8Array => this.signature(credential.admin, body);
    const bytes = encodeCredential(credential, VLAN_ID, sign).slice();
    this.#issued.set(Buffer.from(bytes).toString('hex'), credential);
    return bytes;
  }

  #peerOf(key: Uint8Array): string {
    const name = Buffer.from(key).toString('hex');
    const peer = this.#peers.get(name) ?? formatPeerId(key);
    this.#peers.set(name, peer);
    return peer;
  }
}
