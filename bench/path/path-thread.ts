/**
 * The entry of the thread that measures the whole data path with one engine: how fast, how long each stage takes, and
 * what it allocates. Both nodes of the pair run on it.
 */

import { bytesEachRound } from './allocation.ts';
import { BatchTimes } from './batch-times.ts';
import { type CabledPair, cablePair } from './cable.ts';
import { graphRounds, type Rounds } from './graph.ts';
import { type KernelPair, kernelPair } from './kernel-pair.ts';
import {
  answerQuestions,
  type MeasuringQuestion,
  type MeasuringStart,
  type Reading,
} from './measuring-thread.ts';
import {
  allocationFigure,
  frameFigure,
  type PathGroup,
  rateFigure,
  stageFigure,
  WORKLOAD_NAMES,
} from './path-figures.ts';
import { STAGE_NAMES, timeStages } from './stage-times.ts';
import { makeWorkload, type Workload } from './workload.ts';

/** Long enough for the optimising compiler, and for every place to be met. */
const WARM_UP_SECONDS = 1;
const ALLOCATION_ROUNDS = 400;
const SMOKE = { warmUpSeconds: 0.01, allocationRounds: 4 } as const;
const ROUNDS_AT_ONCE = 8;
const BITS = 8;

/** One kind of traffic, set up. */
interface Subject {
  readonly workload: Workload;
  readonly cabled: CabledPair;
  readonly graph: Rounds;
  readonly kernel: KernelPair;
  readonly turns: Rounds;
}

type PathReading = Reading<PathGroup>;

function makeSubject(start: MeasuringStart, workload: Workload): Subject {
  const cabled = cablePair(start.engine, workload);
  const kernel = kernelPair(start.engine, workload);
  const turns: Rounds = (count) => {
    for (let round = 0; round < count; round++) kernel.carry();
  };
  const subject = { workload, cabled, graph: graphRounds(cabled), kernel, turns };
  const warmUpSeconds = start.smoke ? SMOKE.warmUpSeconds : WARM_UP_SECONDS;
  secondsEachRound(subject.graph, warmUpSeconds / 2);
  secondsEachRound(subject.turns, warmUpSeconds / 2);
  return subject;
}

/** Runs rounds for as long as asked. @returns seconds of one round, the median of many */
function secondsEachRound(rounds: Rounds, seconds: number): number {
  const times = new BatchTimes();
  const endMs = performance.now() + seconds * 1000;
  do times.time(() => rounds(ROUNDS_AT_ONCE));
  while (performance.now() < endMs);
  return times.medianMs() / 1000 / ROUNDS_AT_ONCE;
}

function measureSpeed(subject: Subject, { engine, seconds }: MeasuringStart): PathReading[] {
  const { workload, graph, turns } = subject;
  const bits = workload.bytes * BITS;
  const inMemory = secondsEachRound(graph, seconds);
  const withSockets = secondsEachRound(turns, seconds);
  const nsAFrame = (inMemory * 1e9) / workload.frames.length;
  return [
    {
      group: 'rate',
      place: { subject: engine, figure: rateFigure(workload.title, false) },
      value: bits / inMemory / 1e9,
    },
    {
      group: 'rate',
      place: { subject: engine, figure: rateFigure(workload.title, true) },
      value: bits / withSockets / 1e9,
    },
    { group: 'frame', place: { subject: engine, figure: frameFigure(workload.title) }, value: nsAFrame },
  ];
}

function measureStages(subject: Subject, { engine, seconds }: MeasuringStart): PathReading[] {
  const { nsByStage } = timeStages(subject.cabled, seconds);
  const group: PathGroup = `stages-${subject.workload.name}`;
  return STAGE_NAMES.map((stage) => {
    return { group, place: { subject: stage, figure: stageFigure(engine) }, value: nsByStage[stage] };
  });
}

function measureAllocation(subject: Subject, { engine, smoke }: MeasuringStart): PathReading[] {
  const { workload, graph, turns } = subject;
  const count = smoke ? SMOKE.allocationRounds : ALLOCATION_ROUNDS;
  return [false, true].map((kernel) => {
    const figure = allocationFigure(workload.title, kernel);
    const bytes = bytesEachRound(kernel ? turns : graph, count) / workload.frames.length;
    return { group: 'allocation', place: { subject: engine, figure }, value: bytes };
  });
}

answerQuestions<PathGroup>((start) => {
  const subjects = WORKLOAD_NAMES.map((name) => makeSubject(start, makeWorkload(name)));
  return ({ last }: MeasuringQuestion) =>
    subjects.flatMap((subject) => [
      ...measureSpeed(subject, start),
      ...measureStages(subject, start),
      ...(last ? measureAllocation(subject, start) : []),
    ]);
});
