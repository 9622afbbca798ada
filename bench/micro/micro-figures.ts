/**
 * Owns the figures of the section `micro`: groups, titles, units, and the points of its curves. Pure data; any thread.
 */
import type { FigureDescription, FigureGroup } from '../section.ts';

/** Groups, in the order in which they are shown. */
export const MICRO_GROUPS = {
  seal: { title: 'Sealing a frame: AEAD and sender mask, by size', curve: 'bytes of the frame' },
  open: { title: 'Opening a frame: sender, window, AEAD, by size', curve: 'bytes of the frame' },
  link: { title: 'Link header: mask, tweak and token block', curve: undefined },
  window: { title: 'Replay windows', curve: undefined },
  tokens: { title: 'Look-up of a token, and window entry', curve: 'tokens in the table' },
  stations: { title: 'Look-up of a station, with the rest of classify', curve: 'stations in the table' },
  derivation: { title: 'Derivation of a forwarding token', curve: undefined },
  cut: { title: 'Segmentation and coalescing', curve: undefined },
  ring: { title: 'Hand-off between two threads through a ring', curve: undefined },
} as const;

/** One of {@link MICRO_GROUPS}. */
export type MicroGroup = keyof typeof MICRO_GROUPS;

/** How a group is plotted. */
export function axisOf(group: MicroGroup): Pick<FigureGroup, 'plot' | 'xTitle'> {
  const { curve } = MICRO_GROUPS[group];
  return curve === undefined ? { plot: 'bars' } : { plot: 'curve', xTitle: curve };
}

/** What is measured where; a test of the bench takes the least of each. */
export interface MicroPoints {
  readonly frameBytes: readonly number[];
  readonly tokenCounts: readonly number[];
  readonly stationCounts: readonly number[];
}

/** The whole curves. Frames end where a UDP datagram does, at 64 KiB less headers; stations where their table is half full. */
export const POINTS: MicroPoints = {
  frameBytes: [64, 128, 256, 512, 1024, 1408, 4096, 16_384, 65_440],
  tokenCounts: [10, 100, 1000, 10_000, 100_000, 1_000_000],
  stationCounts: [10, 100, 1000, 10_000, 32_768],
};

/** The least. */
export const SMOKE_POINTS: MicroPoints = { frameBytes: [64], tokenCounts: [10], stationCounts: [10] };

/** Datagrams that one train of the figures has. */
export const TRAIN_DATAGRAMS = 64;
/** AES blocks in a datagram's link header. */
export const LINK_BLOCKS = 3;

const lowerNs = (title: string, per: string, digits = 1): FigureDescription => {
  return { title, unit: `ns/${per}`, digits, better: 'lower' };
};

/** Every figure, by what the threads and the primitives call it. */
export const FIGURE = {
  frameNs: lowerNs('time', 'frame', 0),
  frameRate: { title: 'rate', unit: 'Gbit/s', digits: 2, better: 'higher' },
  closeOne: lowerNs('close, one datagram', 'datagram'),
  closeTrain: lowerNs(`close, train of ${TRAIN_DATAGRAMS}`, 'datagram'),
  openOne: lowerNs('open, one datagram', 'datagram'),
  openTrain: lowerNs(`open, train of ${TRAIN_DATAGRAMS}`, 'datagram'),
  fresh: lowerNs('fresh counter: token found, window entered', 'datagram'),
  replay: lowerNs('replay: refused before any block is opened', 'datagram'),
  laneWindow: lowerNs('window of a lane alone, in order', 'counter'),
  senderWindow: lowerNs('window of a sender alone, in order', 'counter'),
  lookUp: lowerNs('time', 'datagram'),
  classify: lowerNs('time', 'frame'),
  token: lowerNs('station token', 'token', 0),
  cutSuper: lowerNs('cut a TCP super-frame', 'datagram'),
  layWhole: lowerNs('lay TCP frames of 1.5 kB', 'datagram'),
  laySmall: lowerNs('lay UDP frames of 64 B', 'datagram'),
  mergeSuper: lowerNs('merge into a TCP super-frame', 'datagram'),
  mergeSmall: lowerNs('UDP frames of 64 B, nothing to merge', 'datagram'),
  ringRate: { title: 'rate, empty messages', unit: 'M/s', digits: 2, better: 'higher' },
  ringDatagramRate: { title: 'rate, datagrams of 1,472 B', unit: 'Gbit/s', digits: 2, better: 'higher' },
  ringSpinning: lowerNs('one way, receiver spins', 'message', 0),
  ringWoken: lowerNs('one way, receiver sleeps in poll', 'message', 0),
} as const satisfies Record<string, FigureDescription>;
