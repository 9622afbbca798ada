/**
 * Owns the figures of the section `path`: groups, titles, units. Pure data; any thread.
 */
import type { FigureDescription } from '../section.ts';
import type { WorkloadName } from './workload.ts';

/** Groups of the section, as measuring threads name them. */
export type PathGroup = 'rate' | 'frame' | 'allocation' | `stages-${WorkloadName}`;

/** Kinds of traffic, in the order in which they are measured. */
export const WORKLOAD_NAMES: readonly WorkloadName[] = ['super', 'segment', 'small'];

/** What one engine does with one kind of traffic on one thread. */
export function rateFigure(title: string, kernel: boolean): FigureDescription {
  return {
    title: kernel ? `${title}, with sockets` : title,
    unit: 'Gbit/s',
    digits: 2,
    better: 'higher',
  };
}

/** From TAP to TAP. */
export function frameFigure(title: string): FigureDescription {
  return { title, unit: 'ns/frame', digits: 0, better: 'lower' };
}

/** One stage; the subject is the stage, so that a plot shows where the time goes. */
export function stageFigure(engine: string): FigureDescription {
  return { title: engine, unit: 'ns/datagram', digits: 1, better: 'lower' };
}

/** JavaScript heap. */
export function allocationFigure(title: string, kernel: boolean): FigureDescription {
  return {
    title: kernel ? `${title}, with sockets` : title,
    unit: 'B/frame',
    digits: 2,
    better: 'lower',
  };
}
