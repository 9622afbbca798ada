/**
 * Owns V8 CPU profiles: cut to the time under load, and those of a process's threads put side by side into one.
 *
 *   main thread ┐
 *   worker 0    ├─ cut to [start, end] ─▶ (root) ─▶ main thread │ worker 0 │ worker 1 ─▶ 0x
 *   worker 1    ┘
 *
 * Pure; runs on the main thread of the bench. @see Chrome DevTools Protocol, Profiler.Profile
 */

import * as v from 'valibot';

const callFrame = v.object({
  functionName: v.string(),
  scriptId: v.string(),
  url: v.string(),
  lineNumber: v.number(),
  columnNumber: v.number(),
});

const profileSchema = v.object({
  nodes: v.array(
    v.object({
      id: v.number(),
      callFrame,
      hitCount: v.optional(v.number(), 0),
      children: v.optional(v.array(v.number()), []),
    }),
  ),
  startTime: v.number(),
  endTime: v.number(),
  samples: v.array(v.number()),
  timeDeltas: v.array(v.number()),
});

/** One thread's profile; times in µs of CLOCK_MONOTONIC. */
export type CpuProfile = v.InferOutput<typeof profileSchema>;

type ProfileNode = CpuProfile['nodes'][number];

/** A thread with its name. */
export interface ThreadProfile {
  readonly thread: string;
  readonly profile: CpuProfile;
}

/** What V8 calls time without JavaScript; a thread that waits is in it, or in the function that waits. */
const ROOT_FRAME = { functionName: '(root)', scriptId: '0', url: '', lineNumber: -1, columnNumber: -1 };

/** 0x shows as JavaScript what ends in `.js` and a line, and hides the rest: our files end in .ts. */
const THREAD_FRAME = { ...ROOT_FRAME, url: 'thread/.js', lineNumber: 1 };

/** Reads a file that `node --cpu-prof` wrote. @throws ValiError when it is none */
export function parseCpuProfile(text: string): CpuProfile {
  return v.parse(profileSchema, JSON.parse(text));
}

/** Keeps the samples within a time. @param window - µs of CLOCK_MONOTONIC */
export function cutProfile(
  profile: CpuProfile,
  window: { readonly startUs: number; readonly endUs: number },
): CpuProfile {
  const samples: number[] = [];
  const timeDeltas: number[] = [];
  let atUs = profile.startTime;
  for (const [index, sample] of profile.samples.entries()) {
    const deltaUs = profile.timeDeltas[index] ?? 0;
    atUs += deltaUs;
    if (atUs < window.startUs || atUs >= window.endUs) continue;
    samples.push(sample);
    timeDeltas.push(deltaUs);
  }
  const hits = new Map<number, number>();
  for (const sample of samples) hits.set(sample, (hits.get(sample) ?? 0) + 1);
  const counted = profile.nodes.map((node) => ({ ...node, hitCount: hits.get(node.id) ?? 0 }));
  const nodes = withoutUnmet(counted);
  return { nodes, samples, timeDeltas, startTime: window.startUs, endTime: window.endUs };
}

/**
 * Puts threads under one root, each below a frame with its name.
 *
 * @param folder - left out of the files' addresses
 */
export function joinProfiles(threads: readonly ThreadProfile[], folder: string): CpuProfile {
  const root: ProfileNode = { id: 1, callFrame: ROOT_FRAME, hitCount: 0, children: [] };
  const nodes: ProfileNode[] = [root];
  const samples: number[] = [];
  const timeDeltas: number[] = [];
  for (const { thread, profile } of threads) {
    const base = nodes.length + 1;
    const idOf = new Map(profile.nodes.map((node, index) => [node.id, base + index]));
    const renumbered = (id: number): number => idOf.get(id) ?? 1;
    const [first] = profile.nodes;
    if (first === undefined) continue;
    root.children.push(renumbered(first.id));
    for (const node of profile.nodes) {
      const { url, lineNumber } = node.callFrame;
      // V8 counts lines from 0, and 0x shows what it is given, but for 0.
      const frame = { ...node.callFrame, url: shownAddress(url, folder), lineNumber: lineNumber + 1 };
      nodes.push({
        ...node,
        id: renumbered(node.id),
        callFrame: node === first ? { ...THREAD_FRAME, functionName: thread } : frame,
        children: node.children.map(renumbered),
      });
    }
    samples.push(...profile.samples.map(renumbered));
    timeDeltas.push(...profile.timeDeltas);
  }
  const startTime = Math.min(...threads.map(({ profile }) => profile.startTime));
  const endTime = Math.max(...threads.map(({ profile }) => profile.endTime));
  return { nodes, samples, timeDeltas, startTime, endTime };
}

/** Leaves out functions in and below which nothing was sampled; the first node stays. */
function withoutUnmet(nodes: readonly ProfileNode[]): ProfileNode[] {
  const met = new Set<number>();
  // A node comes after the one that called it: backwards, what is below is known first.
  for (const node of nodes.toReversed())
    if (node.hitCount > 0 || node.children.some((child) => met.has(child))) met.add(node.id);
  return nodes
    .filter((node, index) => index === 0 || met.has(node.id))
    .map((node) => ({ ...node, children: node.children.filter((child) => met.has(child)) }));
}

function shownAddress(url: string, folder: string): string {
  const address = url.replace(`file://${folder}`, '');
  return address === '' || /\.[cm]?js$/.test(address) ? address : `${address}.js`;
}
