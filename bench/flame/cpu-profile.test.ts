import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type CpuProfile, cutProfile, joinProfiles, parseCpuProfile } from './cpu-profile.ts';

function frame(functionName: string, url = '') {
  return { functionName, scriptId: '1', url, lineNumber: 1, columnNumber: 0 };
}

/** (root) → seal; a sample every 10 µs from 1,000 on, in turns. */
function profile(): CpuProfile {
  return parseCpuProfile(
    JSON.stringify({
      nodes: [
        { id: 1, callFrame: frame('(root)'), hitCount: 2, children: [7] },
        { id: 7, callFrame: frame('seal', 'file:///p/dataplane/pipeline/seal.ts'), hitCount: 2 },
      ],
      startTime: 990,
      endTime: 1030,
      samples: [1, 7, 1, 7],
      timeDeltas: [10, 10, 10, 10],
    }),
  );
}

describe('cutProfile', () => {
  it('keeps what was sampled within the time, and counts anew', () => {
    const cut = cutProfile(profile(), { startUs: 1005, endUs: 1025 });
    assert.deepEqual(cut.samples, [7, 1]);
    assert.deepEqual(
      cut.nodes.map((node) => node.hitCount),
      [1, 1],
    );
  });

  it('leaves out a function that was not met within the time', () => {
    const cut = cutProfile(profile(), { startUs: 1005, endUs: 1005 });
    assert.deepEqual(
      cut.nodes.map((node) => [node.id, node.children]),
      [[1, []]],
    );
  });

  it('leaves the profile itself as it is', () => {
    const whole = profile();
    cutProfile(whole, { startUs: 0, endUs: 1 });
    assert.deepEqual(whole, profile());
  });
});

describe('joinProfiles', () => {
  it('puts each thread under its name below one root, with ids of its own', () => {
    const joined = joinProfiles(
      [
        { thread: 'main thread', profile: profile() },
        { thread: 'worker 0', profile: profile() },
      ],
      '/p/',
    );
    const byId = new Map(joined.nodes.map((node) => [node.id, node]));
    assert.equal(byId.size, 5);
    assert.deepEqual(
      joined.nodes[0]?.children.map((id) => byId.get(id)?.callFrame.functionName),
      ['main thread', 'worker 0'],
    );
    const sealed = joined.nodes.filter((node) => node.callFrame.functionName === 'seal');
    assert.deepEqual(
      sealed.map((node) => [node.callFrame.url, node.hitCount]),
      [
        ['dataplane/pipeline/seal.ts.js', 2],
        ['dataplane/pipeline/seal.ts.js', 2],
      ],
    );
    assert.equal(joined.samples.length, 8);
    assert.ok(joined.samples.every((id) => byId.has(id)));
  });
});

describe('parseCpuProfile', () => {
  it('refuses what is no profile', () => {
    assert.throws(() => parseCpuProfile('{"nodes":[]}'));
  });
});
