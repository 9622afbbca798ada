/**
 * The entry of the thread that measures the pieces of one engine. What takes long to fill is filled once and measured
 * in every repeat.
 */
import { answerQuestions } from '../path/measuring-thread.ts';
import { type MicroGroup, POINTS, SMOKE_POINTS } from './micro-figures.ts';
import { measureDerivation, measureWindows } from './plain-cells.ts';
import { RingBench } from './ring-cells.ts';
import { measureAead, measureCut, measureLink } from './stage-cells.ts';
import { fillStations, fillTokens, measureStations, measureTokens } from './table-cells.ts';

answerQuestions<MicroGroup>((start) => {
  const points = start.smoke ? SMOKE_POINTS : POINTS;
  const tokens = points.tokenCounts.map((count) => fillTokens(start.engine, count));
  const stations = points.stationCounts.map((count) => fillStations(start.engine, count));
  return async ({ last }) => {
    const readings = [
      ...points.frameBytes.flatMap((bytes) => measureAead(start, bytes)),
      ...measureLink(start),
      ...measureWindows(start),
      ...tokens.map((filled) => measureTokens(filled, start)),
      ...stations.map((filled) => measureStations(filled, start)),
      measureDerivation(start),
      ...measureCut(start),
    ];
    if (start.first) readings.push(...(await measureRing(start.seconds)));
    if (last) for (const { engine } of [...tokens, ...stations]) engine.close();
    return readings;
  };
});

/** The ring is the same with either engine. */
async function measureRing(seconds: number): Promise<ReturnType<RingBench['measure']>> {
  const bench = await RingBench.start();
  try {
    return bench.measure(seconds);
  } finally {
    await bench.close();
  }
}
