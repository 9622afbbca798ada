/**
 * Owns what a large token table costs a relay: traffic spread evenly over all tokens, with few of them and with many.
 *
 * Few and many take turns within each repeat. Runs on the main thread of the bench.
 */
import { Recorder } from '../section.ts';
import type { RelayChain } from './chain.ts';
import { mainEngines, nsOf, type PartRun, timesOf, trainOf } from './core.ts';
import { CPU_FIGURE, FEW_TOKENS, judgeTokens, MANY_TOKENS, TOKEN_TURNS } from './targets.ts';

const DATAGRAM_BYTES = 200;
const MOST_SECONDS = 2;

/** Measures both engines with few tokens and with many. */
export async function runTokenCount(chain: RelayChain, { settings, progress }: PartRun) {
  const recorder = new Recorder(`Passed on: datagrams of ${DATAGRAM_BYTES} bytes, by tokens in the table`, {
    plot: 'curve',
    xTitle: 'tokens in the table',
  });
  for (let repeat = 0; repeat < settings.repeatCount; repeat++) {
    for (const { turn, subjectOf } of TOKEN_TURNS) {
      for (const engine of mainEngines(settings)) {
        progress(`[${repeat + 1}/${settings.repeatCount}] ${subjectOf(engine)}: `);
        for (const tokenCount of [FEW_TOKENS, MANY_TOKENS]) {
          const reading = await chain.run({
            ...trainOf(DATAGRAM_BYTES),
            ...timesOf(settings, MOST_SECONDS),
            subject: engine,
            flowCount: 1,
            tokens: { count: tokenCount, turn },
          });
          recorder.add({ subject: subjectOf(engine), figure: CPU_FIGURE, x: tokenCount }, nsOf(reading));
          progress(`${tokenCount} tokens ${nsOf(reading).toFixed(0)} ns … `);
        }
        progress('\n');
      }
    }
  }
  const verdicts = settings.engines.includes('native') ? judgeTokens(recorder) : [];
  return { groups: [recorder.group()], verdicts };
}
