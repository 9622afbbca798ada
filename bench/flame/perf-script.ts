/**
 * Owns reading what `perf script` prints: a sample a paragraph, its frames innermost first.
 *
 *   V8Worker 4711
 *       7f20b4a06f31 peertap_accel::seal::seal+0x51 (/…/peertap-accel.linux-x64-gnu.node)
 *       7f2098c0a1d2 JS:*egress file:///…/dataplane/workers/egress.ts:41:23+0x112 (/tmp/perf-4711.map)
 *
 * Pure; runs on the main thread of the bench. @see perf-script(1)
 */

import { basename } from 'node:path';

import type { Area, Frame, Stack } from './stack.ts';

/** Fields to ask `perf script` for; without inlined frames, whose look-up takes minutes. */
export const PERF_SCRIPT_FIELDS = ['--no-inline', '--fields', 'comm,tid,ip,sym,symoff,dso'] as const;

const FRAME = /^\s+[0-9a-f]+ (.*) \((.*)\)$/;
const HEADER = /^(\S.*?)\s+(\d+)\s*$/;
const JIT_TIER = /^(?:JS|LazyCompile|Function|Script|Eval):[~^+*']*/;

/**
 * Reads all samples, equal ones as one stack.
 *
 * @param text - of `perf script` with {@link PERF_SCRIPT_FIELDS}
 * @param root - a folder that is left out of file names
 * @returns stacks whose outermost frame is the thread
 */
export function parsePerfScript(text: string, root: string): Stack[] {
  const stacks = new Map<string, { frames: Frame[]; weight: number }>();
  for (const paragraph of text.split(/\n\s*\n/)) {
    const frames = framesOf(paragraph, root);
    if (frames.length < 2) continue;
    const key = frames.map((frame) => frame.name).join(';');
    const known = stacks.get(key);
    if (known === undefined) stacks.set(key, { frames, weight: 1 });
    else known.weight++;
  }
  return [...stacks.values()];
}

function framesOf(paragraph: string, root: string): Frame[] {
  const [header = '', ...lines] = paragraph.split('\n').filter((line) => line.trim() !== '');
  const thread = HEADER.exec(header)?.[1];
  if (thread === undefined) return [];
  const frames = lines.flatMap((line) => {
    const [, symbol, object] = FRAME.exec(line) ?? [];
    return symbol === undefined || object === undefined ? [] : [readFrame(symbol, object, root)];
  });
  return [{ name: thread, area: 'Node and libraries' }, ...frames.reverse()];
}

function readFrame(symbol: string, object: string, root: string): Frame {
  const area = areaOf(object);
  if (symbol === '[unknown]') return { name: `[${basename(object).replaceAll(/[[\]]/g, '')}]`, area };
  const named = symbol
    .replace(/\+0x[0-9a-f]+$/, '')
    .replace(`file://${root}`, '')
    .replace(root, '');
  return { name: named.replace(area === 'JavaScript' ? JIT_TIER : /::h[0-9a-f]{16}$/, ''), area };
}

function areaOf(object: string): Area {
  if (/^\[kernel\.|^\[guest\.kernel/.test(object)) return 'kernel';
  if (/peertap[-_]accel/.test(object)) return 'accelerator';
  if (/\/perf-\d+\.map$/.test(object)) return 'JavaScript';
  return 'Node and libraries';
}
