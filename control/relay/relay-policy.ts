/**
 * Whether this node carries a segment for a neighbour: the rules of `relay` in the config.
 *
 *   not enabled ─▶ refused      a rule of deny ─▶ refused      a rule of allow ─▶ allowed      none ─▶ refused
 *
 * Main thread; pure. An answer costs the same however many rules there are.
 */
import { parseRelayRule } from './relay-rule.ts';

/** The rules, as the config has them. */
export interface RelayRules {
  readonly enabled: boolean;
  readonly allow: readonly string[];
  readonly deny: readonly string[];
}

/** Why a rule, or its absence, refuses. */
export type RuleRefusal = 'disabled' | 'denied' | 'no-rule';

/** See the file's head. */
export class RelayPolicy {
  readonly #isEnabled: boolean;
  readonly #allow: ReadonlySet<string>;
  readonly #deny: ReadonlySet<string>;

  /** @throws RangeError for a rule that the config would not have let pass (a bug of the caller) */
  constructor({ enabled, allow, deny }: RelayRules) {
    this.#isEnabled = enabled;
    this.#allow = keysOf(allow);
    this.#deny = keysOf(deny);
  }

  /** @param segment - its id, 32 hexadecimal digits */
  decide(peer: string, segment: string): 'allow' | RuleRefusal {
    if (!this.#isEnabled) {
      return 'disabled';
    }
    if (matches(this.#deny, peer, segment)) {
      return 'denied';
    }
    return matches(this.#allow, peer, segment) ? 'allow' : 'no-rule';
  }
}

function keysOf(rules: readonly string[]): ReadonlySet<string> {
  return new Set(
    rules.map((text) => {
      const rule = parseRelayRule(text);
      if (rule === undefined) {
        throw new RangeError(`'${text}' is no rule`);
      }
      return keyOf(rule.peer, rule.segment);
    }),
  );
}

function matches(rules: ReadonlySet<string>, peer: string, segment: string): boolean {
  return [
    keyOf(undefined, undefined),
    keyOf(peer, undefined),
    keyOf(undefined, segment),
    keyOf(peer, segment),
  ].some((key) => rules.has(key));
}

function keyOf(peer: string | undefined, segment: string | undefined): string {
  return `${peer ?? '*'}/${segment ?? '*'}`;
}
