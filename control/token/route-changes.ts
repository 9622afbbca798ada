/**
 * What has changed for those who ask which way a token goes, gathered over one turn. Main thread.
 */
import type { AnnouncersChanged, TokensChanged } from './route-port.ts';
import type { Announcer } from './route-store.ts';

/** See the file's head. */
export class RouteChanges {
  readonly #tokens = new Map<string, Set<string>>();
  readonly #segments = new Set<string>();

  /** The ways to an announcer, or there being one. @param tokens - that it wants, or wanted */
  add(announcer: Announcer, tokens: Iterable<string>): void {
    this.#segments.add(announcer.segment);
    this.addTokens(announcer, tokens);
  }

  /** Only what an announcer wants. */
  addTokens({ segment }: Announcer, tokens: Iterable<string>): void {
    const changed = this.#tokens.get(segment) ?? new Set<string>();
    for (const token of tokens) {
      changed.add(token);
    }
    if (changed.size > 0) {
      this.#tokens.set(segment, changed);
    }
  }

  /** What there is to say, and nothing of it again. */
  take(): (TokensChanged | AnnouncersChanged)[] {
    const tokens = [...this.#tokens].map(
      ([segment, changed]): TokensChanged => ({
        kind: 'tokens-changed',
        segment,
        tokens: [...changed],
      }),
    );
    const announcers = [...this.#segments].map(
      (segment): AnnouncersChanged => ({
        kind: 'announcers-changed',
        segment,
      }),
    );
    this.#tokens.clear();
    this.#segments.clear();
    return [...tokens, ...announcers];
  }
}
