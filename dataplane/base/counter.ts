/**
 * The counters that are not drops. Any thread; pure data, mirrored to Rust by the layout generator. A counter is
 * an f64 with one writer (its worker), so it is exact to 2^53 and read without tearing.
 */

/** Name of each counter in the order of its number. */
export const COUNTER_NAMES = [
  'tapFramesRead',
  'tapBytesRead',
  'tapFramesWritten', // super-frames count once
  'tapBytesWritten',
  'framesSealed',
  'framesOpened',
  'framesFlooded',
  'datagramsSent',
  'datagramBytesSent',
  'datagramsReceived',
  'datagramBytesReceived',
  'trainsSent',
  'trainsReceived',
  'gsoFallbacks', // a GSO send refused and repeated datagram by datagram
  'segmentsCut',
  'framesCoalesced', // datagrams that joined an earlier one's super-frame
  'fragmentsSent',
  'framesReassembled',
  'datagramsForwarded',
  'handoffs', // datagrams given to a worker that owns a lane
  'carrierDatagramsSent',
  'carrierDatagramsReceived',
  'punts',
  'framesSnooped', // IGMP, MLD and PIM frames told to the main thread
  'wakeups',
  'spins',
] as const;

/** One of {@link COUNTER_NAMES}. */
export type CounterName = (typeof COUNTER_NAMES)[number];

/** Number of a counter. */
export const COUNTER = Object.fromEntries(COUNTER_NAMES.map((name, index) => [name, index])) as Readonly<
  Record<CounterName, number>
>;
