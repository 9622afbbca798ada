/**
 * The daemon's log by subsystems: each has a level of its own while somebody wants to look into it.
 *
 *   root logger (the config's level) ─▶ one child for each subsystem, which inherits that level until it is set apart
 *
 * Main thread. Must never log a key, a token or any bytes: of an effect only names, numbers and truths are said.
 */
import type { Logger } from 'pino';
import {
  type DebugChanges,
  type DebugReport,
  type LogLevel,
  SUBSYSTEMS,
  type Subsystem,
} from '../admin/inspection.ts';

/** In text, too, they would tell who reads a log what only neighbours are to know. */
const UNSAID_FIELDS: ReadonlySet<string> = new Set(['token', 'tokens', 'nonce', 'nonces']);

/** Levels at which something is said. */
export type SaidLevel = Exclude<LogLevel, 'silent' | 'fatal'>;

/** See the file's head. */
export class SubsystemLog {
  readonly #loggers: ReadonlyMap<Subsystem, Logger>;
  readonly #own = new Map<Subsystem, LogLevel>();
  #default: LogLevel;

  /** @param root - its level is the config's */
  constructor(root: Logger) {
    this.#default = root.level as LogLevel;
    this.#loggers = new Map(
      SUBSYSTEMS.map((subsystem) => [subsystem, root.child({ subsystem }, { level: root.level })]),
    );
  }

  /** Says something. @param details - further fields of the line */
  log(
    level: SaidLevel,
    subsystem: Subsystem,
    code: string,
    message: string,
    details: Readonly<Record<string, unknown>> = {},
  ): void {
    this.#loggers.get(subsystem)?.[level]({ code, ...details }, message);
  }

  /** Says what a machine wants to have said. */
  notice(
    subsystem: Subsystem,
    notice: {
      readonly level: SaidLevel;
      readonly code: string;
      readonly message: string;
      readonly peer: string | undefined;
    },
  ): void {
    this.log(notice.level, subsystem, notice.code, notice.message, { peer: notice.peer });
  }

  /** Whether `debug` of a subsystem is said at all: what it says may take work to put together. */
  isDebugged(subsystem: Subsystem): boolean {
    return this.#loggers.get(subsystem)?.isLevelEnabled('debug') === true;
  }

  /** Says at `debug` what a machine does: the kind of an effect or a notice, and its plain fields. */
  effect(subsystem: Subsystem, effect: { readonly kind: string }): void {
    if (!this.isDebugged(subsystem)) return;
    const { kind, ...details } = plainFields(effect);
    this.log('debug', subsystem, effect.kind, String(kind), details);
  }

  report(): DebugReport {
    const levels = SUBSYSTEMS.map((subsystem) => {
      const own = this.#own.get(subsystem);
      return { subsystem, level: own ?? this.#default, own: own !== undefined };
    });
    return { default: this.#default, levels };
  }

  /** Sets levels apart, or gives them back. */
  set(changes: DebugChanges): DebugReport {
    for (const [name, level] of Object.entries(changes) as [Subsystem, LogLevel | 'default'][]) {
      if (level === 'default') this.#own.delete(name);
      else this.#own.set(name, level);
    }
    this.#apply();
    return this.report();
  }

  /** The config's level is another one. */
  setDefault(level: LogLevel): void {
    this.#default = level;
    this.#apply();
  }

  #apply(): void {
    for (const [subsystem, logger] of this.#loggers) logger.level = this.#own.get(subsystem) ?? this.#default;
  }
}

/** Names, numbers and truths; a list of names is one, too. Bytes, and what holds them, are left out. */
function plainFields(effect: object): Readonly<Record<string, unknown>> {
  return Object.fromEntries(
    Object.entries(effect).filter(([name, value]) => {
      const isSaid = isPlain(value) || (Array.isArray(value) && value.every(isPlain));
      return isSaid && !UNSAID_FIELDS.has(name);
    }),
  );
}

function isPlain(value: unknown): boolean {
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean';
}
