/**
 * Owns the section `relay`: what a node that passes datagrams on spends on each, beside a loop in its place that only
 * receives and sends them; what many tokens and hostile neighbours cost it; and what a user's stream through it reaches.
 *
 *   core, tokens, neighbours    generator ▶ relay ▶ sink, tables written by the bench       chain.ts
 *   a user's stream, attacks    daemons in namespaces                                      daemons.ts, daemons-hostile.ts
 *
 * Runs on the main thread of the bench.
 */
import { reasonOf } from '../../dataplane/base/error-reason.ts';
import { nativeAvailability } from '../../dataplane/native/load.ts';
import { preflightProblems } from '../../test/lab/preflight.ts';
import type { Section, SectionFindings, SectionSettings } from '../section.ts';
import { RelayChain } from './chain.ts';
import { type PartRun, runCore } from './core.ts';
import { runDaemons } from './daemons.ts';
import { runAttack } from './daemons-hostile.ts';
import { runHostile } from './hostile.ts';
import { runTokenCount } from './token-count.ts';

/** The section. */
export const relaySection: Section = {
  name: 'relay',
  title: 'a node that passes datagrams on, beside a loop that only receives and sends',
  problems: ({ engines, wires, limitsOnly }) => {
    const native = nativeAvailability();
    const isMissing = engines.includes('native') && !native.ok;
    const forDaemons = limitsOnly ? [] : ['iperf3', 'ping', ...(wires.includes('mtu') ? ['ethtool'] : [])];
    const tools = preflightProblems(['ip', ...forDaemons]);
    return [...tools, ...(isMissing ? [`the native engine: ${native.reason}`] : [])];
  },
  run: runRelay,
};

/** A part of the section. */
type Part = readonly [
  title: string,
  run: () => Promise<Omit<SectionFindings, 'notes'> & Partial<SectionFindings>>,
];

async function runRelay(
  settings: SectionSettings,
  progress: (text: string) => void,
): Promise<SectionFindings> {
  const run = { settings, progress };
  const chain = new RelayChain();
  try {
    const core: Part = ['the core', () => runCore(chain, run)];
    const others: Part[] = [
      ['tokens in the table', () => runTokenCount(chain, run)],
      ['hostile neighbours', () => runHostile(chain, run)],
      ['A—R—B', () => runDaemons(run)],
      ['A—R—B under attack', () => runAttack(run)],
    ];
    return await runParts(settings.limitsOnly ? [core] : [core, ...others], run);
  } finally {
    await chain.close();
  }
}

/** One part that fails must not cost the others' figures; a test of the bench has to see it, though. */
async function runParts(parts: readonly Part[], { settings, progress }: PartRun): Promise<SectionFindings> {
  const found = {
    groups: [] as SectionFindings['groups'][number][],
    verdicts: [] as SectionFindings['verdicts'][number][],
  };
  const isPartial = settings.engines.length > 1 && (settings.short || settings.smoke);
  const notes = [
    ...NOTES,
    ...(isPartial ? [`Left out for time: ${settings.engines.slice(1).join(', ')}, but for its core.`] : []),
  ];
  for (const [title, run] of parts) {
    try {
      const findings = await run();
      found.groups.push(...findings.groups);
      found.verdicts.push(...findings.verdicts);
      notes.push(...(findings.notes ?? []));
    } catch (error) {
      if (settings.smoke) throw error;
      const reason = reasonOf(error).split('\n')[0] ?? '';
      notes.push(`Failed: ${title}: ${reason}.`);
      progress(`failed: ${reason}\n`);
    }
  }
  return { ...found, notes };
}

const NOTES: readonly string[] = [
  'Three namespaces in a row, on veths as they are; the relay has a core of its own, the generator and the sink share another. A train is 64 datagrams, or the 44 of 1,472 bytes that one send takes.',
  'loop: receive and send in the same turns of a worker and by the same system calls of the native engine, without looking at a header. The relay core is the worker with its tables written by the bench: a token that names the next trunk.',
  'several ways: the token names the trunk that the datagrams came from as well, so that each is looked for in the cache of recent frames. Under quotas: a foreign segment, with credits that are never used up.',
  'The time is that of the whole process, with what the kernel does in its name: both system calls, and the veth to the sink. Where it is busy for less than all of the time, the generator was the limit, and the rate says little.',
  'What reaches the sink first is opened there: the same token, one hop less.',
  'Beside a neighbour: for each train of the transfer one of the neighbour’s, by one generator, so that their rates are equal. Oversized ones have as many bytes as the others, in half as many datagrams. Judged by CPU a datagram of the transfer: what a busy core carries is its inverse.',
  'Under attack: an attacker in a neighbour’s namespace has overheard a member and sends that again, forged, cut short and too long, and noise; its rate is what the neighbour’s own UDP through the VLAN reached, which costs more: it is also sealed, relayed and opened, on the same cores.',
  'A—R—B: five daemons, iperf3 and its server share the cores of this machine, so that the relayed stream pays for its relay with time of its ends; on three machines its ratio to the direct one is better. CPU per GB says how much.',
];
