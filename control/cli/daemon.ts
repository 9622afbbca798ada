/**
 * `peertap daemon`: runs the daemon until a signal ends it.
 *
 * SIGTERM, SIGINT → stop in order; a second one → end at once. SIGHUP → reload the config.
 *
 * Main thread. What the daemon does is control/daemon.ts; here are only the process and its signals.
 */
import type { Logger } from 'pino';
import type { Config } from '../config/config.ts';
import { ConfigError } from '../config/config-error.ts';
import { type FoundConfig, findConfig } from './default-config.ts';
import { createLogger } from './logger.ts';

/** Exit code of a process that a signal ended, as shells count. */
const EXIT_FORCED = 130;

/** Ctrl-C comes from the terminal, from npm and from the shim: within this time it is one signal, not three. */
const SAME_SIGNAL_MS = 500;

/** Runs until it is stopped. */
export async function runDaemon(options: { config?: string; socket?: string }): Promise<void> {
  const found = await findConfig(options.config, options.socket);
  const logger = await createLogger(found.config.log, process.stderr.isTTY);
  if (found.path === undefined) logger.info('no config file; running with the defaults');
  const stopRequested = watchStopSignals(logger);
  watchBugs(logger);
  // Loaded here, so that a mistake in the config is told before libp2p is loaded.
  const { startDaemon } = await import('../daemon.ts');
  const daemon = await startDaemon({ ...startOptions(found, options.socket), logger });
  process.on('SIGHUP', () => {
    reload(daemon, logger);
  });
  await stopRequested;
  await daemon.stop();
}

function reload(daemon: { reload(): Promise<void> }, logger: Logger): void {
  daemon.reload().then(
    () => {
      logger.info('config reloaded');
    },
    (error: unknown) => {
      // What the user can mend needs no stack.
      const details = error instanceof ConfigError ? { problems: error.message.split('\n') } : { err: error };
      logger.error(details, 'the config was not reloaded; the one before stays in use');
    },
  );
}

function startOptions(found: FoundConfig, socket: string | undefined) {
  const reload = async (): Promise<Config> => (await findConfig(found.path, socket)).config;
  return { config: found.config, ...(found.path === undefined ? {} : { configPath: found.path }), reload };
}

/** Resolves at the first signal; a second one ends the process. */
function watchStopSignals(logger: Logger): Promise<void> {
  return new Promise((resolve) => {
    let firstMs: number | undefined;
    const stop = (signal: NodeJS.Signals): void => {
      if (firstMs !== undefined) {
        if (performance.now() - firstMs < SAME_SIGNAL_MS) return;
        logger.warn({ signal }, 'ending at once');
        process.exit(EXIT_FORCED);
      }
      firstMs = performance.now();
      logger.info({ signal }, 'stopping');
      resolve();
    };
    process.on('SIGTERM', stop);
    process.on('SIGINT', stop);
  });
}

/**
 * A rejected promise that nobody awaited is a bug, most likely in a library's handling of one connection: it is
 * logged and the node goes on. A thrown error that nobody caught leaves state unknown, so the process ends; the
 * kernel removes its interfaces with its descriptors.
 */
function watchBugs(logger: Logger): void {
  process.on('unhandledRejection', (reason) => {
    logger.error({ err: reason }, 'unhandled rejection');
  });
  process.on('uncaughtException', (error) => {
    logger.fatal({ err: error }, 'uncaught exception; ending');
    process.exit(1);
  });
}
