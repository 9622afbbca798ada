import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { compareRuns } from '../compare.ts';
import { runOf, sampleRun, sectionOf, TCP } from '../sample-run.fixture.ts';
import { Recorder } from '../section.ts';
import { comparisonReport } from './comparison.ts';
import { terminalReport } from './terminal.ts';

describe('terminalReport', () => {
  it('shows each figure with its unit, its median, its spread, and a mark above 15 %', () => {
    const report = terminalReport(sampleRun(), 120);
    assert.match(report, /^ +PeerTap native +kernel VXLAN$/m);
    assert.match(report, /^TCP, 1 stream, Gbit\/s +9\.00 \(22 %!\) +18\.00 \(1 %\)$/m);
    assert.match(report, /^CPU per GB, s\/GB +1\.5 \(7 %\) +–$/m);
  });

  it('shows a curve as a row for each place', () => {
    assert.match(terminalReport(sampleRun(), 120), /^payload, B +native +typescript$[^]*^65,536 +32,769 /m);
  });

  it('shows the machine, the targets and the notes', () => {
    const report = terminalReport(sampleRun(), 120);
    for (const text of [
      'Some CPU',
      'governor',
      '0.1 % of CPU time stolen',
      '(stretch)  missed',
      '* Peers with',
    ])
      assert.ok(report.includes(text), text);
  });

  it('keeps to the width of the terminal, by showing wide tables in parts', () => {
    const recorder = new Recorder('many');
    for (let peer = 0; peer < 5; peer++) {
      for (let index = 0; index < 6; index++)
        recorder.add({ subject: `peer number ${peer}`, figure: { ...TCP, title: `figure ${index}` } }, peer);
    }
    const report = terminalReport(runOf([sectionOf('tunnel', { groups: [recorder.group()] })]), 60);
    const lines = report.split('\n').filter((line) => line.startsWith('figure'));
    assert.equal(lines.length, 3 * 6);
    assert.ok(lines.every((line) => line.length <= 60));
  });

  it('turns a table of many subjects and few figures round', () => {
    const recorder = new Recorder('many');
    for (let peer = 0; peer < 9; peer++) recorder.add({ subject: `peer ${peer}`, figure: TCP }, peer);
    const report = terminalReport(runOf([sectionOf('tunnel', { groups: [recorder.group()] })]), 120);
    assert.match(report, /^ +TCP, 1 stream, Gbit\/s$/m);
    assert.match(report, /^peer 8 +8\.00$/m);
  });

  it('warns of a machine that is not quiet and of sections that are missing', () => {
    const run = {
      ...sampleRun(),
      quiet: { loadAverage: 2, busyShare: 0.5, stealShare: 0 },
      absences: [{ section: 'flame' as const, failed: false, reasons: ['There is no perf.'] }],
    };
    const report = terminalReport(run, 120);
    assert.match(report, /^! The machine is not quiet: 50 %/m);
    assert.match(report, /^! flame could not run here: There is no perf\.$/m);
  });
});

describe('comparisonReport', () => {
  it('shows then, now and the ratio of each figure, and names what became worse', () => {
    const slower = new Recorder('Wire mtu');
    for (const reading of [9, 9.1, 8.9]) slower.add({ subject: 'kernel VXLAN', figure: TCP }, reading);
    const now = runOf([sectionOf('tunnel', { groups: [slower.group()] })]);
    const report = comparisonReport(compareRuns(sampleRun(), now, 0.15), 'then.json', 0.15);
    assert.match(
      report,
      /^kernel VXLAN: TCP, 1 stream, Gbit\/s +18\.00 \(1 %\) +9\.00 \(2 %\) +× 0\.50 +WORSE$/m,
    );
    assert.match(report, /^1 figures compared: 1 worse/m);
    assert.match(report, /^! tunnel: only in the earlier run: PeerTap native/m);
  });
});
