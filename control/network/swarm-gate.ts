/**
 * The private swarm's gate on libp2p connections: runs proofs, and ends what has lost its right.
 *
 *   a new connection      proof on its first stream (guarded-connections.ts), before libp2p knows of it
 *   the keys have changed every open connection is asked again, by a stream of PROOF_PROTOCOL: those that are no longer
 *                         authorised are closed, and the trunk machine ends the trunks of all others than the authorised
 *
 * Main thread. Who is authorised is decided by control/swarm; here are only streams and times.
 */
import { randomBytes } from 'node:crypto';
import type { Connection, Libp2p, Stream } from '@libp2p/interface';
import { reasonOf } from '../../dataplane/base/error-reason.ts';
import type { SwarmAuthority } from '../swarm/swarm.ts';
import { PROOF_MESSAGE_MAX_BYTES, PROOF_RANDOM_BYTES, SwarmProof } from '../swarm/swarm-proof.ts';
import { closeConnection } from './connections.ts';
import type { ConnectionGuard } from './guarded-connections.ts';
import { frameMessage, MessageReader } from './message-framing.ts';
import { NetworkError } from './network-error.ts';

const PROOF_PROTOCOL = '/peertap/swarm/1.0.0';
/** Two round trips of a bad path, and a busy peer. */
const PROOF_TIMEOUT_MS = 4_000;
/** A proof asked from each end, and some after one another. */
const PROOF_STREAMS_MAX = 4;

/** See the file's head. */
export class SwarmGate implements ConnectionGuard {
  readonly #swarm: SwarmAuthority;
  readonly #self: string;
  #node: Libp2p | undefined;
  #changes = 0;
  /** Told when the keys have changed, before anybody is asked. */
  onKeys: () => void = () => undefined;
  /** Told which peers alone are authorised, after the keys have changed. */
  onAuthorised: (peers: readonly string[]) => void = () => undefined;

  constructor(swarm: SwarmAuthority, self: string) {
    this.#swarm = swarm;
    this.#self = self;
  }

  /** Guards a node's open connections, too, from now on. */
  async attach(node: Libp2p): Promise<void> {
    this.#node = node;
    node.addEventListener('connection:open', ({ detail }) => {
      // The keys may have changed while the connection came up.
      if (!this.#swarm.isAuthorised(detail.remotePeer.toString())) void this.#renew(detail);
    });
    this.#swarm.onChange = () => void this.#keysChanged();
    await node.handle(PROOF_PROTOCOL, (stream, connection) => this.#answer(stream, connection), {
      maxInboundStreams: PROOF_STREAMS_MAX,
      maxOutboundStreams: PROOF_STREAMS_MAX,
      runOnLimitedConnection: true,
    });
  }

  isActive(): boolean {
    return this.#swarm.keys().length > 0;
  }

  async admit(peer: string, stream: () => Promise<Stream>, openedHere: boolean): Promise<void> {
    try {
      await this.#prove(peer, stream(), openedHere);
    } catch (cause) {
      this.#swarm.refused();
      const reason = reasonOf(cause);
      throw new NetworkError('refused', `the peer is not in this private swarm: ${reason}`);
    }
  }

  async #answer(stream: Stream, connection: Connection): Promise<void> {
    await this.#prove(connection.remotePeer.toString(), Promise.resolve(stream), false).catch(
      () => undefined,
    );
  }

  async #keysChanged(): Promise<void> {
    const change = ++this.#changes;
    this.onKeys();
    const connections = this.#node?.getConnections() ?? [];
    if (this.isActive()) {
      await Promise.all(connections.map((connection) => this.#ask(connection)));
    }
    if (change !== this.#changes) {
      return;
    }
    // Trunks first: they say goodbye over the connections that end then.
    const authorised = new Set(this.#swarm.authorised());
    this.onAuthorised([...authorised]);
    for (const connection of connections) {
      // Who leaves a swarm is no longer one of it, for its members either: then nobody is authorised.
      if (!authorised.has(connection.remotePeer.toString())) this.#end(connection);
    }
  }

  async #renew(connection: Connection): Promise<void> {
    await this.#ask(connection);
    if (!this.#swarm.isAuthorised(connection.remotePeer.toString())) this.#end(connection);
  }

  /** Asks again which keys the peer has, unless it is known to have them all. */
  async #ask(connection: Connection): Promise<void> {
    const peer = connection.remotePeer.toString();
    if (!this.#swarm.hasAll(peer)) {
      const stream = connection.newStream(PROOF_PROTOCOL, {
        signal: AbortSignal.timeout(PROOF_TIMEOUT_MS),
        runOnLimitedConnection: true,
      });
      await this.#prove(peer, stream, true).catch(() => undefined);
    }
  }

  #end(connection: Connection): void {
    if (this.isActive()) this.#swarm.refused();
    closeConnection(connection);
  }

  /** @throws when the peer has no key of ours, or says anything else */
  async #prove(peer: string, opening: Promise<Stream>, openedHere: boolean): Promise<void> {
    const proof = new SwarmProof({
      opener: openedHere ? this.#self : peer,
      acceptor: openedHere ? peer : this.#self,
      isOpener: openedHere,
      keys: this.#swarm.keys(),
      random: randomBytes(PROOF_RANDOM_BYTES),
    });
    const late = Promise.withResolvers<never>();
    const timer = setTimeout(() => late.reject(new Error('no proof in time')), PROOF_TIMEOUT_MS);
    try {
      const stream = await Promise.race([opening, late.promise]);
      try {
        this.#swarm.proven(peer, await Promise.race([runProof(proof, stream), late.promise]));
      } catch (cause) {
        stream.abort(cause instanceof Error ? cause : new Error('not proven'));
        throw cause;
      }
    } finally {
      clearTimeout(timer);
    }
  }
}

/** @returns the fingerprints of the keys that the peer has, too */
function runProof(proof: SwarmProof, stream: Stream): Promise<readonly string[]> {
  return new Promise((resolve, reject) => {
    const send = (message: Uint8Array): void => void stream.send(frameMessage(message));
    const reader = new MessageReader(PROOF_MESSAGE_MAX_BYTES);
    stream.addEventListener('close', ({ error }) => reject(error ?? new Error('it closed the stream')));
    stream.addEventListener('remoteCloseWrite', () => reject(new Error('it closed the stream')));
    stream.addEventListener('message', ({ data }) => {
      const isSound = reader.push(data.subarray(), (message) => {
        const step = proof.receive(message);
        if (step.kind === 'send') {
          send(step.message);
        } else if (step.kind === 'refused') {
          reject(new Error(step.reason));
        } else {
          if (step.message !== undefined) send(step.message);
          void stream.close().catch(() => undefined);
          resolve(step.fingerprints);
        }
      });
      if (!isSound) reject(new Error('it speaks another protocol'));
    });
    const first = proof.start();
    if (first !== undefined) send(first);
  });
}
