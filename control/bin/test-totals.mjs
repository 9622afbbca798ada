/**
 * A reporter of Node's test runner that says only how many tests passed and failed: `{"passed":n,"failed":n}`.
 *
 * What failed by being cut short counts as failed.
 */
export default async function* totals(events) {
  for await (const { type, data } of events) {
    // Each file has a summary of its own besides.
    if (type !== 'test:summary' || data.file !== undefined) continue;
    const { passed, failed, cancelled } = data.counts;
    yield JSON.stringify({ passed, failed: failed + (cancelled ?? 0) });
  }
}
