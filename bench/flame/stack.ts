/**
 * Owns what a profile is here, whoever took it: stacks of named frames, each with its weight, and what can be said of
 * them: a tree for a graph, shares of areas and of stages.
 *
 * Pure; runs on the main thread of the bench.
 */

/** Where the code of a frame lies. */
export type Area = 'kernel' | 'accelerator' | 'JavaScript' | 'Node and libraries';

/** One function on a stack. */
export interface Frame {
  readonly name: string;
  readonly area: Area;
}

/** A stack as it was sampled. */
export interface Stack {
  /** Outermost first; never empty. */
  readonly frames: readonly Frame[];
  /** Samples. */
  readonly weight: number;
}

/** A node of a flame graph, in the form that d3-flame-graph reads. */
export interface FlameNode {
  readonly name: string;
  readonly area: Area | 'thread';
  /** Samples here and below. */
  value: number;
  readonly children: FlameNode[];
}

/** Areas in the order in which reports show them. */
export const AREAS: readonly Area[] = ['kernel', 'accelerator', 'JavaScript', 'Node and libraries'];

/** The stages of a frame's way out and in, as both engines call them. @see docs/architecture.md */
export const STAGES = [
  ...['readTap', 'classify', 'segment', 'seal', 'train', 'closeLink', 'send'],
  ...['receive', 'openLink', 'forward', 'relay', 'openFrame', 'learn', 'coalesce', 'writeTap', 'wait'],
] as const;

/** Name of a stage. */
export type StageName = (typeof STAGES)[number];

/** Puts stacks one into the other where they begin alike. @param title - of the root, which is all samples */
export function foldStacks(title: string, stacks: readonly Stack[]): FlameNode {
  const root: FlameNode = { name: title, area: 'thread', value: 0, children: [] };
  const childrenOf = new Map<FlameNode, Map<string, FlameNode>>();
  for (const { frames, weight } of stacks) {
    let node = root;
    node.value += weight;
    for (const frame of frames) {
      const children = childrenOf.get(node) ?? new Map<string, FlameNode>();
      childrenOf.set(node, children);
      const key = `${frame.area} ${frame.name}`;
      let child = children.get(key);
      if (child === undefined) {
        child = { ...frame, value: 0, children: [] };
        children.set(key, child);
        node.children.push(child);
      }
      child.value += weight;
      node = child;
    }
  }
  return root;
}

/** Leaves out how Node came to run JavaScript on a thread: the same thirty frames below each graph. */
export function withoutNodeStart(stacks: readonly Stack[]): Stack[] {
  return stacks.map(({ frames, weight }) => {
    const first = frames.findIndex(({ area }, index) => index > 0 && area !== 'Node and libraries');
    return { weight, frames: first < 0 ? frames : [...frames.slice(0, 1), ...frames.slice(first)] };
  });
}

/** Share of the samples that were taken in each area itself, 0 to 1; all 0 without samples. */
export function areaShares(stacks: readonly Stack[]): Record<Area, number> {
  const total = stacks.reduce((sum, stack) => sum + stack.weight, 0);
  const shares: Record<Area, number> = { kernel: 0, accelerator: 0, JavaScript: 0, 'Node and libraries': 0 };
  for (const { frames, weight } of stacks) {
    const area = frames.at(-1)?.area;
    if (area !== undefined && total > 0) shares[area] += weight / total;
  }
  return shares;
}

/**
 * Share of the samples taken in each stage or in what it calls, 0 to 1; stages that were not met are left out.
 *
 * The innermost stage counts. What a compiler put into its caller and what gives no sign of itself is in no stage.
 */
export function stageShares(stacks: readonly Stack[]): Map<StageName, number> {
  const total = stacks.reduce((sum, stack) => sum + stack.weight, 0);
  const weights = new Map<StageName, number>();
  for (const { frames, weight } of stacks) {
    const stage = frames.map((frame) => stageOf(frame)).findLast((found) => found !== undefined);
    if (stage !== undefined) weights.set(stage, (weights.get(stage) ?? 0) + weight);
  }
  return new Map(
    STAGES.flatMap((stage) => {
      const weight = weights.get(stage);
      return weight === undefined ? [] : [[stage, weight / total] as const];
    }),
  );
}

/** What else a stage is known by where its own function was put into its caller's: a system call, a helper. */
const TELLTALES: readonly (readonly [pattern: RegExp, stage: StageName])[] = [
  [/^_*(?:GI___|libc_)*readv?$/, 'readTap'],
  [/^_*(?:GI___|libc_)*writev$/, 'writeTap'],
  [/^_*(?:GI___|libc_)*sendm?msg$/, 'send'],
  [/^_*(?:GI___|libc_)*recvm?msg$/, 'receive'],
  [/^_*(?:GI___|libc_)*epoll_wait$/, 'wait'],
  [/EVP_AEAD_CTX_seal|aes_gcm_enc/, 'seal'],
  [/EVP_AEAD_CTX_open|aes_gcm_dec/, 'openFrame'],
  [/link::Blocks::close$/, 'closeLink'],
  [/link::Blocks::open$/, 'openLink'],
  [/accel::(?:cut|plan)::/, 'segment'],
  [/accel::reassemble::/, 'openFrame'],
  [/accel::flows::/, 'coalesce'],
  [/accel::tap_write::/, 'writeTap'],
];
const STAGE_BY_NAME = new Map<string, StageName>(
  STAGES.flatMap((stage) => [
    [stage, stage],
    [joinedBy('_', stage), stage],
    [joinedBy('-', stage), stage],
  ]),
);

/** A stage is a module of the addon, and a function or a file of the data plane. */
function stageOf({ name, area }: Frame): StageName | undefined {
  const named = (pattern: RegExp): StageName | undefined => STAGE_BY_NAME.get(pattern.exec(name)?.[1] ?? '');
  if (area === 'JavaScript') {
    if (!name.includes('dataplane/')) return undefined;
    return named(/^([\w$]+) /) ?? named(/dataplane\/pipeline\/([\w-]+)\.ts/);
  }
  const module = area === 'accelerator' ? named(/accel::(\w+)::/) : undefined;
  return module ?? TELLTALES.find(([pattern]) => area !== 'kernel' && pattern.test(name))?.[1];
}

function joinedBy(separator: string, name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `${separator}${letter.toLowerCase()}`);
}
