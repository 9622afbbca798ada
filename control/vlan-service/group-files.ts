/**
 * Where the state of a private VLAN lies, `groups/<VLAN id>` in the state directory, and how it is read, written and
 * destroyed.
 *
 *   head      what the order machine goes on from
 *   desk      invites and requests, on an admin
 *   states/   the group's own: states and key packages (control/membership/group/mls)
 *
 * Main thread. A file is written whole or not at all; writes of one file follow each other.
 */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { readFileIfPresent, replaceFileAsync } from '../vlan/durable-file.ts';

/** One file, whose writes wait for each other. */
export class DurableState {
  readonly #path: string;
  #last: Promise<void> = Promise.resolve();

  constructor(path: string) {
    this.#path = path;
  }

  /** Its contents; undefined when there are none. @throws the system's error */
  read(): Uint8Array | undefined {
    return readFileIfPresent(this.#path);
  }

  /** Replaces it. @returns when the contents are on disk @throws the system's error */
  write(contents: Uint8Array): Promise<void> {
    const write = this.#last.then(() => replaceFileAsync(this.#path, contents));
    this.#last = write.catch(() => undefined);
    return write;
  }

  /** Resolves when nothing is being written. */
  async idle(): Promise<void> {
    await this.#last;
  }
}

/** The files of one VLAN. */
export interface GroupFiles {
  readonly head: DurableState;
  readonly desk: DurableState;
  /** Directory of the group's own files. */
  readonly states: string;
  /** Destroys all of it. */
  destroy(): Promise<void>;
}

/** @param vlan - text form of the id */
export function groupFiles(stateDirectory: string, vlan: string): GroupFiles {
  const directory = join(stateDirectory, 'groups', vlan);
  const head = new DurableState(join(directory, 'head'));
  const desk = new DurableState(join(directory, 'desk'));
  return {
    head,
    desk,
    states: join(directory, 'states'),
    async destroy() {
      await head.idle();
      await desk.idle();
      await rm(directory, { recursive: true, force: true });
    },
  };
}
