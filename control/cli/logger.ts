/**
 * The daemon's log: JSON lines for machines, coloured lines on a terminal; always on stderr.
 *
 * Writes are synchronous, so the last line before an end is never lost.
 */
import { type Logger, pino } from 'pino';
import type { Config } from '../config/config.ts';

const STDERR_DESCRIPTOR = 2;

/**
 * Makes the logger.
 *
 * @param log - `log` of the config; the level can be changed later by `logger.level`
 * @param isTerminal - whether stderr is one
 */
export async function createLogger(log: Config['log'], isTerminal: boolean): Promise<Logger> {
  const isPretty = log.format === 'pretty' || (log.format === 'auto' && isTerminal);
  if (!isPretty) {
    return pino(
      { level: log.level, base: null, timestamp: pino.stdTimeFunctions.isoTime },
      pino.destination({ dest: STDERR_DESCRIPTOR, sync: true }),
    );
  }
  const { default: pretty } = await import('pino-pretty');
  const stream = pretty({
    colorize: isTerminal,
    translateTime: 'SYS:HH:MM:ss.l',
    ignore: 'pid,hostname',
    destination: STDERR_DESCRIPTOR,
    sync: true,
  });
  return pino({ level: log.level, base: null }, stream);
}
