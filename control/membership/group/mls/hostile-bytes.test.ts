/** Whatever bytes come in, a job ends with a result: properties over random and over damaged messages. */
import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import fc from 'fast-check';
import type { GroupJob } from '../group-port.ts';
import { groupOf, TestNode, temporaryFolder } from './group.fixture.ts';
import { doJob } from './group-jobs.ts';

const folder = temporaryFolder();
after(() => folder.remove());

const RUNS = 60;

function jobsWith(base: string, peer: string, bytes: Uint8Array): readonly GroupJob[] {
  return [
    { op: 'process', base, commit: bytes },
    { op: 'join', welcome: bytes },
    { op: 'external-commit', groupInfo: bytes },
    { op: 'commit', base, add: [{ peer, keyPackage: bytes }], remove: [] },
  ];
}

describe('a job never throws', () => {
  it('at random bytes', async () => {
    const [ann, bob] = [new TestNode(folder.path), new TestNode(folder.path)];
    const { id } = await groupOf([ann, bob]);
    const property = fc.asyncProperty(fc.uint8Array({ maxLength: 400 }), async (bytes) => {
      for (const job of jobsWith(id, bob.peer, bytes)) {
        const result = await doJob(ann.context, job);
        assert.equal(result.ok, false);
        assert.match(result.code, /^(invalid|not-for-us)$/, result.reason);
      }
    });
    await fc.assert(property, { numRuns: RUNS });
  });

  it('at a commit of very many proposals', async () => {
    const ann = new TestNode(folder.path);
    const { id: base } = await ann.create();
    const count = 20_000;
    const remove = Buffer.from([1, 0, 3, 0, 0, 0, 0]);
    const length = Buffer.alloc(4);
    length.writeUInt32BE(0x8000_0000 + count * remove.length);
    // MLSMessage, PublicMessage: group id of 32 bytes, epoch 0, sender leaf 0, no data, commit, proposals, no path.
    const head = [Buffer.from([0, 1, 0, 1, 32]), Buffer.alloc(32 + 8), Buffer.from([1, 0, 0, 0, 0, 0, 3])];
    const commit = Buffer.concat([
      ...head,
      length,
      Buffer.alloc(count * remove.length, remove),
      Buffer.alloc(4),
    ]);
    await ann.fails({ op: 'process', base, commit }, 'invalid', /another group|call stack/);
  });

  it('at messages that were changed, cut off or made longer', async () => {
    const [ann, bob, cid] = [0, 1, 2].map(() => new TestNode(folder.path));
    assert.ok(ann && bob && cid);
    const { id } = await groupOf([ann, bob]);
    const made = await bob.commit(id, { add: [cid], policy: Uint8Array.of(1) });
    const { groupInfo } = await bob.ok({ op: 'group-info', base: id });
    const genuine = [made.commit, made.welcome ?? groupInfo, groupInfo, await cid.keyPackage()];
    const change = fc.record({
      message: fc.constantFrom(...genuine),
      at: fc.nat(),
      byte: fc.integer({ min: 1, max: 255 }),
      keep: fc.oneof(fc.constant(1), fc.double({ min: 0, max: 1, noNaN: true })),
      more: fc.uint8Array({ maxLength: 3 }),
    });
    const property = fc.asyncProperty(change, async ({ message, at, byte, keep, more }) => {
      const kept = message.slice(0, Math.ceil(message.length * keep));
      kept[at % kept.length] = (kept[at % kept.length] ?? 0) ^ byte;
      const bytes = Uint8Array.from([...kept, ...more]);
      for (const job of jobsWith(id, cid.peer, bytes)) {
        const result = await doJob(job.op === 'join' ? cid.context : ann.context, job);
        assert.equal(result.ok, false, job.op);
        assert.match(result.code, /^(invalid|not-for-us)$/, result.reason);
      }
    });
    await fc.assert(property, { numRuns: RUNS });
  });
});
