/**
 * A run of the bench as tests need it: two sections, bars and curves, steady and unsteady figures, targets, notes.
 *
 * Pure; its numbers are made up, round, and looked for by the tests.
 */
import { type BenchRun, emptyRun } from './run-format.ts';
import { type FigureDescription, Recorder, type SectionName, type SectionSettings } from './section.ts';

export const TCP: FigureDescription = {
  title: 'TCP, 1 stream',
  unit: 'Gbit/s',
  digits: 2,
  better: 'higher',
};
export const CPU: FigureDescription = { title: 'CPU per GB', unit: 's/GB', digits: 1, better: 'lower' };
const SEAL: FigureDescription = { title: 'seal', unit: 'ns', digits: 0, better: 'lower' };

export const SETTINGS: SectionSettings = {
  seconds: 2,
  repeatCount: 3,
  engines: ['native'],
  wires: ['mtu'],
  short: false,
  smoke: false,
  peers: true,
  memoryGigabytes: 0,
  limitsOnly: false,
};

/** A run with the given sections and nothing in them. */
export function runOf(sections: readonly BenchRun['sections'][number][]): BenchRun {
  const run = emptyRun({
    startedAt: '2026-03-01T12:00:00.000Z',
    commandLine: ['tunnel', 'micro'],
    source: '0123456789ab',
    machine: {
      cpuModel: 'Some CPU <of a kind>',
      coreCount: 2,
      architecture: 'x64',
      cpuFlags: ['aes', 'vaes'],
      microcode: '0x1',
      virtual: true,
      kernel: '6.1.0',
      memoryGiB: 8,
      nodeVersion: 'v26.0.0',
      governor: 'none',
    },
    quiet: { loadAverage: 0.1, busyShare: 0.02, stealShare: 0 },
  });
  return { ...run, sections };
}

/** A section with the given groups. */
export function sectionOf(
  section: SectionName,
  found: Partial<Pick<BenchRun['sections'][number], 'groups' | 'verdicts' | 'notes' | 'files'>>,
): BenchRun['sections'][number] {
  return {
    section,
    startedAt: '2026-03-01T12:00:01.000Z',
    seconds: 12,
    settings: SETTINGS,
    stealShare: 0.001,
    groups: [],
    verdicts: [],
    notes: [],
    files: [],
    ...found,
  };
}

/** Both plots, both engines, a figure that varies too much. */
export function sampleRun(): BenchRun {
  const bars = new Recorder('Wire mtu');
  for (const reading of [8, 10, 9]) bars.add({ subject: 'PeerTap native', figure: TCP }, reading);
  for (const reading of [18, 18.1, 17.9]) bars.add({ subject: 'kernel VXLAN', figure: TCP }, reading);
  for (const reading of [1.4, 1.5, 1.45]) bars.add({ subject: 'PeerTap native', figure: CPU }, reading);
  const curve = new Recorder('Frame AEAD', { plot: 'curve', xTitle: 'payload, B' });
  for (const x of [64, 1024, 65536]) {
    for (const reading of [x / 2, x / 2 + 1]) curve.add({ subject: 'native', figure: SEAL, x }, reading);
    for (const reading of [x * 3, x * 3 + 1]) curve.add({ subject: 'typescript', figure: SEAL, x }, reading);
  }
  const target = {
    title: 'native, TCP 1 stream',
    measured: 0.5,
    sense: 'at least',
    unit: '× kernel VXLAN',
  } as const;
  const verdicts = [
    { ...target, wanted: 0.42, met: true, stretch: false },
    { ...target, wanted: 0.55, met: false, stretch: true },
  ];
  return runOf([
    sectionOf('micro', { groups: [curve.group()] }),
    sectionOf('tunnel', {
      groups: [bars.group()],
      verdicts,
      notes: ['Peers with <angle brackets> & more are left out.'],
      files: ['bench/results/some flame.svg'],
    }),
  ]);
}
