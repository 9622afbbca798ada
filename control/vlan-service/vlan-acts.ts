/**
 * What a person asks of a VLAN that is at work: who is in it, who may come in, who has to go, what its record says.
 *
 * Main thread. Each refusal says what to do next. What has to be on disk is there when a promise resolves.
 */
import {
  type AdmissionRequestReport,
  ControlError,
  type InviteReport,
  type InviteRequest,
  type MemberReport,
  type VlanReport,
} from '../admin/daemon-control.ts';
import { formatInvite, INVITE_SECRET_BYTES } from '../vlan/invite.ts';
import type { SignedRecord } from '../vlan/vlan-record.ts';
import type { VlanEntry } from '../vlan/vlan-registry.ts';
import type { DeskDriver } from './desk-driver.ts';
import type { VlanServiceParts } from './vlan-parts.ts';
import { memberReports, vlanReport } from './vlan-reports.ts';
import type { VlanService } from './vlan-service.ts';

/** See the file's head. */
export class VlanActs {
  readonly #parts: VlanServiceParts;
  readonly #service: VlanService;

  constructor(parts: VlanServiceParts, service: VlanService) {
    this.#parts = parts;
    this.#service = service;
  }

  members(id: string): readonly MemberReport[] {
    const facts = this.#service.factsOf(this.#service.required(id));
    return memberReports(facts, this.#parts.nowMs(), (peer) => this.#parts.peer(peer));
  }

  /** Writes an invite; of an open VLAN it only leads there. @throws ControlError, AdmissionError */
  async invite({ id, uses, expiresSeconds, oneTimeSecret }: InviteRequest): Promise<InviteReport> {
    const { self } = this.#parts;
    const entry = this.#service.required(id);
    const { record } = requiredRecord(entry);
    const expiresAtSeconds = Math.floor(this.#parts.unixMs() / 1000) + expiresSeconds;
    const hasSecret = entry.kind === 'private' && oneTimeSecret;
    const secret = hasSecret ? self.randomBytes(INVITE_SECRET_BYTES) : undefined;
    if (secret !== undefined) {
      await this.#desk(id).issue({ secret, uses, expiresAtMs: expiresAtSeconds * 1000 });
    }
    const others = record.admins.filter((peer) => peer !== self.peerId);
    const invite = formatInvite({
      kind: entry.kind,
      publicKey: record.publicKey,
      name: record.name,
      ...(secret === undefined ? {} : { secret, expiresAtSeconds }),
      // The issuer first: the secret is shown to it alone.
      admins: [self.peerId, ...others].map((peer) => ({
        peer,
        addresses: this.#service.addressesOf(peer),
      })),
    });
    const expiresAt = secret === undefined ? null : new Date(expiresAtSeconds * 1000).toISOString();
    return { id, invite, expiresAt, uses: secret === undefined ? 0 : uses };
  }

  /** Who waits for an admin's word, longest first. */
  requests(id: string): readonly AdmissionRequestReport[] {
    this.#requireAdmin(id);
    const requests = this.#service.innerOf(id)?.requests() ?? [];
    return requests.map(({ peer, askedAtMs, invited, note }) => ({
      peer,
      askedAt: new Date(askedAtMs).toISOString(),
      invited,
      note: note === '' ? null : note,
    }));
  }

  async approve(id: string, peer: string): Promise<void> {
    this.#requireAdmin(id);
    await this.#desk(id).approve(peer);
  }

  /** Turns one away that waits, or puts a member out. */
  async remove(id: string, peer: string): Promise<void> {
    this.#requireAdmin(id);
    const inner = this.#service.innerOf(id);
    if (inner?.requests().some((request) => request.peer === peer) === true) {
      await this.#desk(id).refuse(peer);
      return;
    }
    if (peer === this.#parts.self.peerId) {
      throw new ControlError('no-member', 'This is the node itself: use `peertap vlan leave`.');
    }
    if (inner?.state?.members.some((member) => member.peer === peer) !== true) {
      const message = `${peer} is no member of this VLAN; \`peertap vlan members\` shows who is.`;
      throw new ControlError('no-member', message);
    }
    inner.remove(peer);
  }

  /** Changes the signed record. @throws VlanError */
  set(id: string, changes: Readonly<Record<string, string>>): VlanReport {
    this.#service.changeRecord(this.#service.required(id), changes);
    return vlanReport(this.#service.factsOf(this.#service.required(id)));
  }

  #requireAdmin(id: string): void {
    const entry = this.#service.required(id);
    if (entry.kind !== 'private') {
      const message = 'This VLAN is open: whoever has its id is in, and nobody is admitted or removed.';
      throw new ControlError('not-private', message);
    }
    if (!requiredRecord(entry).record.admins.includes(this.#parts.self.peerId)) {
      const message =
        'Only an admin of the VLAN can do this. `peertap vlan members` shows who is one; the owner makes ' +
        'others by `peertap vlan set ID admins=+PEER`.';
      throw new ControlError('not-admin', message);
    }
  }

  #desk(id: string): DeskDriver {
    this.#requireAdmin(id);
    const desk = this.#service.innerOf(id)?.desk;
    if (desk === undefined) {
      const message = 'The group of this VLAN is not ready yet; try again in a moment.';
      throw new ControlError('not-admin', message);
    }
    return desk;
  }
}

function requiredRecord(entry: VlanEntry): SignedRecord {
  if (entry.record === undefined) {
    const message = "The VLAN's record has not come to this node yet; it comes from any member.";
    throw new ControlError('not-found', message);
  }
  return entry.record;
}
