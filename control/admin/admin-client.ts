/**
 * The command's side of the admin API: one typed method a route, and failures in words.
 *
 * Runs in the `peertap` command. Must never retry: a request that changes something is sent once.
 */
import { type IncomingMessage, request } from 'node:http';
import type { ErrorBody } from './admin-error.ts';
import type {
  AdmissionRequestReport,
  BrowsedVlan,
  CreateRequest,
  DaemonStatus,
  InviteReport,
  InviteRequest,
  JoinRequest,
  MemberReport,
  PeerReport,
  SwarmKeyReport,
  SwarmReport,
  VlanReport,
} from './daemon-control.ts';

const RESPONSE_TIMEOUT_MS = 15_000;
/** How a daemon begins its answer to a path that it does not have, whatever its version. */
const NO_SUCH_PATH = 'no such path';

/** `unreachable`: no daemon, no permission, no answer; `refused`: the daemon said no. */
export type AdminClientErrorCode = 'unreachable' | 'refused';

/** A request that did not succeed; `message` says what to do. */
export class AdminClientError extends Error {
  override readonly name = 'AdminClientError';
  readonly code: AdminClientErrorCode;
  /** The daemon's own code, when it answered. */
  readonly reason: string | undefined;

  constructor(
    code: AdminClientErrorCode,
    message: string,
    options: { reason?: string; cause?: unknown } = {},
  ) {
    super(message, { cause: options.cause });
    this.code = code;
    this.reason = options.reason;
  }
}

/** Talks to the daemon behind one control socket. */
export class AdminClient {
  readonly #socketPath: string;

  constructor(socketPath: string) {
    this.#socketPath = socketPath;
  }

  status(): Promise<DaemonStatus> {
    return this.#send('GET', '/v1/status') as Promise<DaemonStatus>;
  }

  async peers(): Promise<readonly PeerReport[]> {
    return ((await this.#send('GET', '/v1/peers')) as { peers: readonly PeerReport[] }).peers;
  }

  async vlans(): Promise<readonly VlanReport[]> {
    return ((await this.#send('GET', '/v1/vlans')) as { vlans: readonly VlanReport[] }).vlans;
  }

  createVlan(wanted: CreateRequest): Promise<VlanReport> {
    return this.#send('POST', '/v1/vlans', wanted) as Promise<VlanReport>;
  }

  joinVlan(join: JoinRequest): Promise<VlanReport> {
    return this.#send('POST', '/v1/vlans/join', join) as Promise<VlanReport>;
  }

  async leaveVlan(id: string): Promise<void> {
    await this.#send('POST', '/v1/vlans/leave', { id });
  }

  setVlan(id: string, changes: Readonly<Record<string, string>>): Promise<VlanReport> {
    return this.#send('POST', '/v1/vlans/set', { id, changes }) as Promise<VlanReport>;
  }

  async browse(): Promise<readonly BrowsedVlan[]> {
    return ((await this.#send('GET', '/v1/vlans/browse')) as { vlans: readonly BrowsedVlan[] }).vlans;
  }

  invite(wanted: InviteRequest): Promise<InviteReport> {
    return this.#send('POST', '/v1/vlans/invite', wanted) as Promise<InviteReport>;
  }

  async requests(id: string): Promise<readonly AdmissionRequestReport[]> {
    const answer = await this.#send('GET', `/v1/vlans/requests?id=${encodeURIComponent(id)}`);
    return (answer as { requests: readonly AdmissionRequestReport[] }).requests;
  }

  async members(id: string): Promise<readonly MemberReport[]> {
    const answer = await this.#send('GET', `/v1/vlans/members?id=${encodeURIComponent(id)}`);
    return (answer as { members: readonly MemberReport[] }).members;
  }

  async approve(id: string, peer: string): Promise<void> {
    await this.#send('POST', '/v1/vlans/approve', { id, peer });
  }

  async remove(id: string, peer: string): Promise<void> {
    await this.#send('POST', '/v1/vlans/remove', { id, peer });
  }

  swarm(): Promise<SwarmReport> {
    return this.#send('GET', '/v1/swarm') as Promise<SwarmReport>;
  }

  /** Makes a key, shows the one in use, or puts a fresh one into its place. */
  swarmKey(how: 'configure' | 'exchange' | 'rotate'): Promise<SwarmKeyReport> {
    return this.#send('POST', `/v1/swarm/${how}`, {}) as Promise<SwarmKeyReport>;
  }

  joinSwarm(key: string): Promise<SwarmReport> {
    return this.#send('POST', '/v1/swarm/join', { key }) as Promise<SwarmReport>;
  }

  finishSwarmRotation(): Promise<SwarmReport> {
    return this.#send('POST', '/v1/swarm/finish', {}) as Promise<SwarmReport>;
  }

  leaveSwarm(): Promise<SwarmReport> {
    return this.#send('POST', '/v1/swarm/leave', {}) as Promise<SwarmReport>;
  }

  async #send(method: string, path: string, body?: unknown): Promise<unknown> {
    const { status, text } = await this.#exchange(method, path, body);
    const answer = parseAnswer(text, this.#socketPath);
    if (status >= 200 && status < 300) return answer;
    throw refused(answer, this.#socketPath);
  }

  #exchange(method: string, path: string, body: unknown): Promise<{ status: number; text: string }> {
    const text = body === undefined ? undefined : JSON.stringify(body);
    return new Promise((resolve, reject) => {
      const outgoing = request(
        { socketPath: this.#socketPath, method, path, timeout: RESPONSE_TIMEOUT_MS, agent: false },
        (response) => {
          collect(response).then((answer) => {
            resolve({ status: response.statusCode ?? 0, text: answer });
          }, reject);
        },
      );
      outgoing.once('timeout', () => {
        outgoing.destroy(new Error(`no answer within ${RESPONSE_TIMEOUT_MS / 1000} s`));
      });
      outgoing.once('error', (error) => {
        reject(unreachable(this.#socketPath, error));
      });
      if (text !== undefined) outgoing.setHeader('content-type', 'application/json');
      outgoing.end(text);
    });
  }
}

async function collect(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of response as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks).toString('utf8');
}

function parseAnswer(text: string, path: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    const message = `what answers on ${path} is no PeerTap daemon, or one of another version`;
    throw new AdminClientError('unreachable', message, { cause: error });
  }
}

/** An older daemon answers a command's newer path in its own words. */
function refused(answer: unknown, path: string): AdminClientError {
  const { code, message } = (answer as Partial<ErrorBody> | null)?.error ?? {};
  if (message === undefined || (code === 'not-found' && message.startsWith(NO_SUCH_PATH))) {
    const advice = `the daemon on ${path} does not know this command; restart it, so that both are of one version`;
    return new AdminClientError('refused', advice, code === undefined ? {} : { reason: code });
  }
  return new AdminClientError('refused', message, code === undefined ? {} : { reason: code });
}

function unreachable(path: string, cause: NodeJS.ErrnoException): AdminClientError {
  const sentences: Readonly<Record<string, string>> = {
    ENOENT: `no daemon runs here: there is no socket ${path}. Start one with \`peertap daemon\`, or name its socket with --socket`,
    ECONNREFUSED: `no daemon runs here: nobody answers on ${path}, which one left behind. Start one with \`peertap daemon\``,
    EACCES: `no permission to use ${path}; run as root, or as a member of the socket's group`,
    EPERM: `no permission to use ${path}; run as root, or as a member of the socket's group`,
    ENOTSOCK: `${path} is no socket; name the daemon's socket with --socket`,
  };
  const message = sentences[cause.code ?? ''] ?? `the daemon on ${path} cannot be asked: ${cause.message}`;
  return new AdminClientError('unreachable', message, { cause });
}
