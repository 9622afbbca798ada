/**
 * Owns the demonstration's lines on the terminal: one a step, with how long it took.
 *
 * Runs on the demonstration's main thread.
 */

/** Shows a step while it runs and what came of it. @param summary - completes the step's line */
export async function step<T>(
  title: string,
  work: () => T | Promise<T>,
  summary?: (value: T) => string,
): Promise<T> {
  const interactive = process.stdout.isTTY;
  const startMs = performance.now();
  if (interactive) process.stdout.write(`  … ${title}`);
  try {
    const value = await work();
    const seconds = ((performance.now() - startMs) / 1000).toFixed(1);
    const detail = summary === undefined ? '' : `: ${summary(value)}`;
    process.stdout.write(`${interactive ? '\r\x1b[K' : ''}  ✓ ${title}${detail} (${seconds} s)\n`);
    return value;
  } catch (error) {
    process.stdout.write(`${interactive ? '\r\x1b[K' : ''}  ✗ ${title}\n`);
    throw error;
  }
}
