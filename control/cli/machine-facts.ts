/**
 * What `peertap doctor` needs to know about this machine, gathered without changing it.
 *
 * Main thread of the command. Must never throw: what cannot be read is `undefined`.
 */
import { createSocket } from 'node:dgram';
import { constants } from 'node:fs';
import { access, readFile } from 'node:fs/promises';
import { createServer, isIPv6 } from 'node:net';
import { arch, release } from 'node:os';
import koffi from 'koffi';

/** Whether a device file can be opened for reading and writing. */
export type DeviceState = 'ok' | 'missing' | 'denied';

/** The machine as the checks see it. */
export interface MachineFacts {
  readonly platform: string;
  readonly architecture: string;
  readonly kernelRelease: string;
  readonly nodeVersion: string;
  readonly tunDevice: DeviceState;
  /** Effective capabilities as a bit set; undefined where /proc is missing. */
  readonly capabilities: bigint | undefined;
  readonly receiveBufferMaxBytes: number | undefined;
  readonly sendBufferMaxBytes: number | undefined;
  readonly unixTimeMs: number;
  /** The kernel holds its clock for synchronised; undefined when it cannot be asked. */
  readonly isClockSynchronised: boolean | undefined;
}

/** Gathers the facts. */
export async function gatherFacts(): Promise<MachineFacts> {
  return {
    platform: process.platform,
    architecture: arch(),
    kernelRelease: release(),
    nodeVersion: process.versions.node,
    tunDevice: await deviceState('/dev/net/tun'),
    capabilities: await effectiveCapabilities(),
    receiveBufferMaxBytes: await readNumber('/proc/sys/net/core/rmem_max'),
    sendBufferMaxBytes: await readNumber('/proc/sys/net/core/wmem_max'),
    unixTimeMs: Date.now(),
    isClockSynchronised: isClockSynchronised(),
  };
}

/**
 * Tries to listen on a TCP port.
 *
 * @returns undefined when it is free, else the system's code, such as `EADDRINUSE`
 */
export function tcpPortProblem(host: string, port: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) => {
      resolve(error.code ?? error.message);
    });
    server.listen({ host, port, exclusive: true }, () => {
      server.close(() => {
        resolve(undefined);
      });
    });
  });
}

/**
 * Tries to bind a UDP port.
 *
 * @returns undefined when it is free, else the system's code
 */
export function udpPortProblem(address: string, port: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = createSocket(isIPv6(address) ? 'udp6' : 'udp4');
    socket.once('error', (error: NodeJS.ErrnoException) => {
      socket.close();
      resolve(error.code ?? error.message);
    });
    socket.bind({ address, port, exclusive: true }, () => {
      socket.close(() => {
        resolve(undefined);
      });
    });
  });
}

async function deviceState(path: string): Promise<DeviceState> {
  try {
    await access(path, constants.R_OK | constants.W_OK);
    return 'ok';
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EACCES' ? 'denied' : 'missing';
  }
}

/** @see proc_pid_status(5), CapEff */
async function effectiveCapabilities(): Promise<bigint | undefined> {
  const status = await readText('/proc/self/status');
  const digits = /^CapEff:\s*([0-9a-f]+)$/m.exec(status ?? '')?.[1];
  return digits === undefined ? undefined : BigInt(`0x${digits}`);
}

async function readNumber(path: string): Promise<number | undefined> {
  const value = Number.parseInt((await readText(path)) ?? '', 10);
  return Number.isNaN(value) ? undefined : value;
}

async function readText(path: string): Promise<string | undefined> {
  return readFile(path, 'utf8').catch(() => undefined);
}

/** struct timex is 208 bytes on 64-bit Linux; with modes = 0 adjtimex() only reads. */
const TIMEX_BYTES = 208;
const TIME_ERROR = 5;

/** @see adjtimex(2): TIME_ERROR when the clock is not synchronised */
function isClockSynchronised(): boolean | undefined {
  try {
    const adjtimex = koffi.load(null).func('int adjtimex(void *timex)');
    const state: unknown = adjtimex(new Uint8Array(TIMEX_BYTES));
    return typeof state === 'number' && state >= 0 ? state !== TIME_ERROR : undefined;
  } catch {
    return undefined;
  }
}
