/**
 * `peertap capture --vlan ID --write FILE|-`: what passes a VLAN's interface, as pcapng.
 *
 * daemon ──pcapng──▶ file or pipe, counted as it passes; Ctrl-C asks the daemon for the end of the file
 */
import { randomUUID } from 'node:crypto';
import { type FileHandle, open } from 'node:fs/promises';
import { reasonOf } from '../../dataplane/base/error-reason.ts';
import { AdminClient } from '../admin/admin-client.ts';
import { InspectionClient } from '../admin/inspection-client.ts';
import { PcapngTally } from '../capture/pcapng-tally.ts';
import type { QueryOptions } from './arguments.ts';
import { CommandError, UsageError } from './command-error.ts';
import type { CommandIo } from './command-io.ts';
import { vlanIdOf } from './named.ts';

/** Frames of others are in it. */
const FILE_MODE = 0o600;

/** What was given on the command line. */
export interface CaptureOptions extends QueryOptions {
  readonly vlan: string;
  readonly write: string;
  readonly count: number;
  readonly seconds: number;
  readonly snap: number;
}

/** Captures until it has enough, or Ctrl-C. */
export async function runCapture(options: CaptureOptions, io: CommandIo): Promise<void> {
  const toPipe = options.write === '-';
  if (toPipe && io.isTerminal) {
    throw new UsageError(
      'stdout is a terminal, which a capture would garble; pipe it, as in `peertap capture --vlan ID --write - | tcpdump -r -`, or name a file',
    );
  }
  if (toPipe && options.json === true) {
    throw new UsageError('with --write - stdout carries the capture; --json needs a file');
  }
  const vlan = vlanIdOf(options.vlan, await new AdminClient(options.socket).vlans());
  const output = new CaptureOutput(toPipe ? undefined : options.write, io);
  const tally = new PcapngTally();
  try {
    await passOn({ ...options, vlan }, { tally, output }, io);
  } finally {
    await output.close();
  }
  if (tally.dropped === undefined) {
    const message = `the daemon went away after ${tally.frames} frames; what is in the file can be read`;
    throw new CommandError(message);
  }
  io.err(`${tally.frames} frames, ${tally.dropped} dropped`);
  if (options.json === true) {
    const { write: file } = options;
    io.out(JSON.stringify({ file, frames: tally.frames, dropped: tally.dropped }, undefined, 2));
  }
}

async function passOn(
  { socket, vlan, count, seconds, snap: snapBytes }: CaptureOptions,
  to: { readonly tally: PcapngTally; readonly output: CaptureOutput },
  io: CommandIo,
): Promise<void> {
  const client = new InspectionClient(socket);
  const name = randomUUID();
  const ends = new AbortController();
  const release = io.onInterrupt(() => {
    // A daemon that cannot be asked cannot end the file, either.
    client.stopCapture(name).catch(() => ends.abort());
  });
  try {
    for await (const piece of client.capture({ vlan, count, seconds, snapBytes }, name, ends.signal)) {
      to.tally.add(piece);
      await to.output.write(piece);
    }
  } finally {
    release();
  }
}

/** A file, made with its first bytes, or stdout. */
class CaptureOutput {
  readonly #path: string | undefined;
  readonly #io: CommandIo;
  #file: FileHandle | undefined;

  constructor(path: string | undefined, io: CommandIo) {
    this.#path = path;
    this.#io = io;
  }

  async write(bytes: Uint8Array): Promise<void> {
    if (this.#path === undefined) return this.#io.outBytes(bytes);
    try {
      this.#file ??= await open(this.#path, 'w', FILE_MODE);
      await this.#file.writeFile(bytes);
    } catch (error) {
      throw new CommandError(`cannot write ${this.#path}: ${reasonOf(error)}`, { cause: error });
    }
  }

  async close(): Promise<void> {
    await this.#file?.close();
  }
}
