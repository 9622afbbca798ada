/** Durations as people write them: `90s`, `30min`, `12h`, `7d`, `2w`. Pure. */

const SECONDS_PER: Readonly<Record<string, number>> = {
  s: 1,
  m: 60,
  min: 60,
  h: 3600,
  d: 86_400,
  w: 604_800,
};

/**
 * Reads a duration.
 *
 * @returns whole seconds; undefined when the text is no duration
 */
export function parseDuration(text: string): number | undefined {
  const [, digits = '', unit = ''] = /^(\d{1,9}) ?([a-z]{1,3})$/.exec(text) ?? [];
  const seconds = Object.hasOwn(SECONDS_PER, unit) ? SECONDS_PER[unit] : undefined;
  return seconds === undefined ? undefined : Number(digits) * seconds;
}
