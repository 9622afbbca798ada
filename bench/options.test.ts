import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { BenchUsageError, benchUsage, parseBenchOptions, settingsFor } from './options.ts';
import { SECTION_NAMES } from './section.ts';
import { SECTION_TITLES } from './sections.ts';

const both = ['native', 'typescript'] as const;

function settings(argv: readonly string[], section: (typeof SECTION_NAMES)[number] = 'tunnel') {
  return settingsFor(section, parseBenchOptions(argv), both);
}

describe('parseBenchOptions', () => {
  it('runs all sections when none is named, and those that are in the order of the bench', () => {
    assert.deepEqual(parseBenchOptions([]).sections, SECTION_NAMES);
    assert.deepEqual(parseBenchOptions(['tunnel', 'micro', 'tunnel']).sections, ['micro', 'tunnel']);
  });

  it('takes the threshold in percent', () => {
    assert.equal(parseBenchOptions([]).threshold, 0.15);
    assert.equal(parseBenchOptions(['--threshold', '30']).threshold, 0.3);
  });

  const refused: [readonly string[], RegExp][] = [
    [['--seconds', '0'], /--seconds: expected a whole number 1\.\.600, got "0"/],
    [['--seconds', ''], /--seconds/],
    [['--repeat', '1.5'], /--repeat/],
    [['--engine', 'rust'], /--engine: expected native or typescript, got "rust"/],
    [['--wire', 'x'], /--wire: expected gso or mtu/],
    [['--threshold', '-1'], /--threshold/],
    [['--memory-gigabytes', 'all'], /--memory-gigabytes/],
    [['--nope'], /--nope/],
    [['micor'], /unknown section "micor"; did you mean micro\?/],
    [['everything'], /unknown section "everything"; there are: micro, path/],
    [['--output', 'x'], /--output: expected a file that ends in \.json/],
    [['tunnel', '--from', 'x.json'], /--from .* name no section/],
    [['--smoke', '--from', 'x.json'], /--from measures nothing/],
  ];
  for (const [argv, message] of refused) {
    it(`refuses ${argv.join(' ')}, and says what would do`, () => {
      assert.throws(() => parseBenchOptions(argv), BenchUsageError);
      assert.throws(() => parseBenchOptions(argv), { message });
    });
  }
});

describe('settingsFor', () => {
  it('gives a named section its full form', () => {
    const full = settings(['tunnel']);
    assert.deepEqual(
      [full.short, full.seconds, full.repeatCount, full.wires, full.engines, full.peers],
      [false, 5, 3, ['gso', 'mtu'], both, true],
    );
  });

  it('gives the short form when no section is named: native on wire mtu, no peers', () => {
    const short = settings([]);
    assert.deepEqual(
      [short.short, short.seconds, short.repeatCount, short.wires, short.engines, short.peers],
      [true, 2, 3, ['mtu'], ['native'], false],
    );
    assert.deepEqual(settings([], 'micro').engines, both);
  });

  it('lets the command line overrule the form', () => {
    const argv = ['--seconds', '7', '--repeat', '2', '--engine', 'typescript', '--wire', 'gso'];
    const told = settings([...argv, '--memory-gigabytes', '3', '--limits-only']);
    assert.deepEqual(
      [told.seconds, told.repeatCount, told.engines, told.wires, told.memoryGigabytes, told.limitsOnly],
      [7, 2, ['typescript'], ['gso'], 3, true],
    );
  });

  it('takes both wires in the order given, each once', () => {
    const argv = ['tunnel', '--wire', 'mtu', '--wire', 'gso', '--wire', 'mtu'];
    assert.deepEqual(settings(argv).wires, ['mtu', 'gso']);
  });

  it('leaves peers out when asked to', () => {
    assert.equal(settings(['tunnel', '--no-peers']).peers, false);
  });

  it('measures once, with every engine, in a smoke run', () => {
    const smoke = settings(['--smoke']);
    assert.deepEqual(
      [smoke.smoke, smoke.repeatCount, smoke.engines, smoke.peers, smoke.memoryGigabytes],
      [true, 1, both, false, 0],
    );
  });

  it('falls back to TypeScript where native cannot run', () => {
    assert.deepEqual(settingsFor('tunnel', parseBenchOptions([]), ['typescript']).engines, ['typescript']);
  });
});

describe('benchUsage', () => {
  it('names every section', () => {
    const usage = benchUsage(SECTION_TITLES);
    for (const name of SECTION_NAMES) assert.match(usage, new RegExp(`^  ${name} `, 'm'));
  });
});
