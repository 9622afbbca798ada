import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parsePerfScript } from './perf-script.ts';
import { areaShares, foldStacks, stageShares, withoutNodeStart } from './stack.ts';

const ROOT = '/home/someone/peertap/';

const SAMPLE = `data-0 15639 
\tffffffff81b69c60 _copy_from_iter+0x80 ([kernel.kallsyms])
\t          10b106 __sendmmsg+0x56 (/usr/lib/libc.so.6)
\t           3b18b peertap_accel::stages::STAGES::callback+0x51b (/x/peertap-accel.linux-x64-gnu.node)
\t    7f1c3402069c JS:+'dispatchTrains file:///home/someone/peertap/dataplane/workers/trains.ts:26:31+0xa5c (/tmp/perf-15450.map)
\t         75adba node::worker::Worker::Run(int (*)(char))+0xd3a (/usr/bin/node)
`;

const OPENING = `data-0 15639 
\t           18b31 peertap_accel::open_frame::open_run::h0123456789abcdef+0x51b (/x/peertap-accel.linux-x64-gnu.node)
\t    7f1c3402069c JS:^ingress file:///home/someone/peertap/dataplane/workers/ingress.ts:26:31+0xa5c (/tmp/perf-15450.map)
`;

const TYPESCRIPT = `data-1 15640 
\t          95890c [unknown] (/x/koffi.node)
\t    7fdf6c0bd1b9 JS:*writePiece file:///home/someone/peertap/dataplane/pipeline/cut.ts:42:20+0x1f9 (/tmp/perf-1.map)
\t    7fdf6c089f95 JS:^segment file:///home/someone/peertap/dataplane/pipeline/segment.ts:46:24+0x195 (/tmp/perf-1.map)
`;

describe('parsePerfScript', () => {
  it('reads the thread and its frames from the outermost inwards, without addresses, tiers and folders', () => {
    const [stack] = parsePerfScript(SAMPLE, ROOT);
    assert.deepEqual(
      stack?.frames.map(({ name, area }) => `${area}: ${name}`),
      [
        'Node and libraries: data-0',
        'Node and libraries: node::worker::Worker::Run(int (*)(char))',
        'JavaScript: dispatchTrains dataplane/workers/trains.ts:26:31',
        'accelerator: peertap_accel::stages::STAGES::callback',
        'Node and libraries: __sendmmsg',
        'kernel: _copy_from_iter',
      ],
    );
  });

  it('counts equal samples as one stack', () => {
    const stacks = parsePerfScript(`${SAMPLE}\n${OPENING}\n${SAMPLE}`, ROOT);
    assert.deepEqual(
      stacks.map((stack) => stack.weight),
      [2, 1],
    );
  });

  it('names what has no symbol by its file', () => {
    const [stack] = parsePerfScript(TYPESCRIPT, ROOT);
    assert.equal(stack?.frames.at(-1)?.name, '[koffi.node]');
  });

  it('leaves a compiler out of names: no hash after a Rust path', () => {
    const [stack] = parsePerfScript(OPENING, ROOT);
    assert.equal(stack?.frames.at(-1)?.name, 'peertap_accel::open_frame::open_run');
  });

  it('reads nothing from a text without samples', () => {
    assert.deepEqual(parsePerfScript('# captured on: today\n', ROOT), []);
  });
});

describe('areaShares', () => {
  it('gives each sample to the area in which it was taken', () => {
    const shares = areaShares(parsePerfScript(`${SAMPLE}\n${OPENING}\n${TYPESCRIPT}\n${SAMPLE}`, ROOT));
    assert.deepEqual(shares, { kernel: 0.5, accelerator: 0.25, JavaScript: 0, 'Node and libraries': 0.25 });
  });

  it('is nothing without samples', () => {
    assert.equal(areaShares([]).kernel, 0);
  });
});

describe('stageShares', () => {
  it('knows a stage by its system call, its module and its function', () => {
    const shares = stageShares(parsePerfScript(`${SAMPLE}\n${OPENING}\n${TYPESCRIPT}\n${SAMPLE}`, ROOT));
    assert.deepEqual(
      [...shares],
      [
        ['segment', 0.25],
        ['send', 0.5],
        ['openFrame', 0.25],
      ],
    );
  });
});

describe('foldStacks', () => {
  it('puts stacks together where they begin alike, and keeps the sum in each node', () => {
    const tree = foldStacks('b', parsePerfScript(`${SAMPLE}\n${OPENING}\n${TYPESCRIPT}\n${SAMPLE}`, ROOT));
    assert.equal(tree.value, 4);
    assert.deepEqual(
      tree.children.map(({ name, value, children }) => [name, value, children.length]),
      [
        ['data-0', 3, 2],
        ['data-1', 1, 1],
      ],
    );
  });
});

describe('withoutNodeStart', () => {
  it('begins each thread with its first function that is not of Node itself', () => {
    const [stack] = withoutNodeStart(parsePerfScript(SAMPLE, ROOT));
    assert.deepEqual(
      stack?.frames.slice(0, 2).map((frame) => frame.name),
      ['data-0', 'dispatchTrains dataplane/workers/trains.ts:26:31'],
    );
  });
});
