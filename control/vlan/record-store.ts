/**
 * The records of this node's VLANs on disk: `directory/<VLAN id>.record` in the state directory, each as it was signed.
 *
 * Main thread only, synchronous: at most 16 KiB a file, and a record is on disk before it is used. A damaged file is
 * no record; it is named, never taken for one, and replaced by the next record that holds.
 */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { readFileIfPresent, replaceFile } from './durable-file.ts';
import { VlanError } from './vlan-error.ts';
import { openRecord, type SignedRecord } from './vlan-record.ts';
import { systemReason } from './vlan-state.ts';

/** See the file's head. */
export class RecordStore {
  readonly #directory: string;
  readonly #records = new Map<string, SignedRecord>();
  readonly #damaged = new Map<string, string>();
  readonly #looked = new Set<string>();

  /** @param stateDirectory - of the node */
  constructor(stateDirectory: string) {
    this.#directory = join(stateDirectory, 'directory');
  }

  /** The record of a VLAN, read at the first call. Never throws: a file that cannot be read is a damaged one. */
  get(id: string, idBytes: Uint8Array): SignedRecord | undefined {
    if (!this.#looked.has(id)) {
      this.#looked.add(id);
      this.#read(id, idBytes);
    }
    return this.#records.get(id);
  }

  /** What is wrong with a VLAN's file, if something is. */
  damage(id: string): string | undefined {
    return this.#damaged.get(id);
  }

  /** Keeps a record in place of the one before. @throws VlanError `state-unwritable`; nothing has changed then */
  put(signed: SignedRecord): void {
    const path = this.#path(signed.id);
    try {
      replaceFile(path, signed.bytes);
    } catch (error) {
      throw new VlanError(
        'state-unwritable',
        `${path} could not be written (${systemReason(error)}). Nothing was changed: make room or fix the ` +
          'permissions of the state directory, then repeat the command.',
        { details: { path }, cause: error },
      );
    }
    this.#looked.add(signed.id);
    this.#damaged.delete(signed.id);
    this.#records.set(signed.id, signed);
  }

  /** Forgets a VLAN's record, on disk too; a file that stays behind does no harm. */
  drop(id: string): void {
    this.#records.delete(id);
    this.#damaged.delete(id);
    try {
      rmSync(this.#path(id), { force: true });
    } catch {
      // It is read again when the VLAN is joined again, and was signed by its owner all the same.
      this.#looked.delete(id);
    }
  }

  #read(id: string, idBytes: Uint8Array): void {
    const path = this.#path(id);
    try {
      const bytes = readFileIfPresent(path);
      if (bytes === undefined) return;
      const opened = openRecord(Uint8Array.from(bytes), idBytes);
      if (opened.ok) this.#records.set(id, opened.signed);
      else this.#damaged.set(id, `${path} is no record of this VLAN (${opened.fault})`);
    } catch (error) {
      this.#damaged.set(id, `${path} could not be read (${systemReason(error)})`);
    }
  }

  #path(id: string): string {
    return join(this.#directory, `${id}.record`);
  }
}
