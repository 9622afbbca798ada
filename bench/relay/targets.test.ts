/** How the relay's targets are judged. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Recorder, type Verdict } from '../section.ts';
import { HOSTILE_KINDS } from './hostile-kinds.ts';
import {
  ATTACK_FIGURES,
  BESIDE_VALID,
  CPU_FIGURE,
  type DaemonFigure,
  FEW_TOKENS,
  HOSTILE_FIGURES,
  judgeAttack,
  judgeCore,
  judgeDaemons,
  judgeHostile,
  judgeTokens,
  LOOP,
  MANY_TOKENS,
  type SizeGroup,
  TOKEN_TURNS,
} from './targets.ts';

function outcomes(verdicts: readonly Verdict[]): unknown[] {
  return verdicts.map(({ measured, met, stretch }) => [Number(measured.toFixed(3)), met, stretch]);
}

describe('the core', () => {
  function group(bytes: 1472 | 200, native: readonly number[], loop: readonly number[]): SizeGroup {
    const recorder = new Recorder('a size');
    for (const ns of native) recorder.add({ subject: 'native', figure: CPU_FIGURE }, ns);
    for (const ns of loop) recorder.add({ subject: LOOP, figure: CPU_FIGURE }, ns);
    return { bytes, recorder };
  }

  test('large datagrams are judged by the loop’s time in the same repeat over the relay’s', () => {
    assert.deepEqual(outcomes(judgeCore([group(1472, [500, 1000, 500], [450, 900, 450])])), [
      [0.9, true, false],
      [0.9, false, true],
    ]);
  });

  test('small ones by the time of one', () => {
    assert.deepEqual(outcomes(judgeCore([group(200, [170, 150, 190], [])])), [
      [170, true, false],
      [170, false, true],
    ]);
  });

  test('what was not measured is not judged', () => {
    assert.deepEqual(judgeCore([group(1472, [], [400]), group(200, [], [])]), []);
  });
});

describe('many tokens', () => {
  function recorderOf(turn: number, few: readonly number[], many: readonly number[]): Recorder {
    const recorder = new Recorder('tokens', { plot: 'curve', xTitle: 'tokens' });
    const subject = TOKEN_TURNS[turn]?.subjectOf('native') ?? '';
    for (const ns of few) recorder.add({ subject, figure: CPU_FIGURE, x: FEW_TOKENS }, ns);
    for (const ns of many) recorder.add({ subject, figure: CPU_FIGURE, x: MANY_TOKENS }, ns);
    return recorder;
  }

  test('may cost a tenth more than few in the same repeat', () => {
    assert.deepEqual(outcomes(judgeTokens(recorderOf(0, [100, 200], [110, 218]))), [[1.095, true, false]]);
    assert.deepEqual(outcomes(judgeTokens(recorderOf(0, [100], [111]))), [[1.11, false, false]]);
  });

  test('are judged by trains of one token alone', () => {
    assert.deepEqual(judgeTokens(recorderOf(1, [100], [300])), []);
  });
});

describe('a transfer beside a hostile neighbour', () => {
  function recorderOf(cpuOf: (subject: string) => number): Recorder {
    const recorder = new Recorder('beside');
    const { transferCpu, uncounted, grown } = HOSTILE_FIGURES;
    for (const subject of [BESIDE_VALID, ...HOSTILE_KINDS]) {
      recorder.add({ subject, figure: transferCpu }, cpuOf(subject));
      recorder.add({ subject, figure: uncounted }, 0);
      recorder.add({ subject, figure: grown }, 0.5);
    }
    return recorder;
  }

  test('is judged by the kind that costs it most', () => {
    const recorder = recorderOf((subject) => (subject === 'forged' ? 1000 : 500));
    assert.deepEqual(outcomes(judgeHostile('native', recorder)), [
      [0.5, false, false],
      [0, true, false],
      [0.5, true, false],
    ]);
  });

  test('must have each datagram counted, in each repeat', () => {
    const recorder = recorderOf(() => 500);
    for (const [count, mebibytes] of [
      [1, 90],
      [0, 0.5],
    ] as const) {
      recorder.add({ subject: 'random', figure: HOSTILE_FIGURES.uncounted }, count);
      recorder.add({ subject: 'random', figure: HOSTILE_FIGURES.grown }, mebibytes);
    }
    // What is first run makes the process larger once; what leaks does so in most repeats.
    assert.deepEqual(outcomes(judgeHostile('typescript', recorder)), [
      [1, true, false],
      [1, false, false],
      [0.5, true, false],
    ]);
  });

  test('is not judged where it was not measured', () => {
    assert.deepEqual(judgeHostile('native', new Recorder('beside')), []);
  });
});

describe('a stream beside an attack', () => {
  test('is judged by the one beside valid datagrams in the same repeat, not by what it reaches alone', () => {
    const recorder = new Recorder('attack');
    const tcp = { alone: [9, 9], valid: [2, 4], hostile: [1.4, 3.6] };
    for (const [subject, samples] of Object.entries(tcp))
      for (const value of samples) recorder.add({ subject, figure: ATTACK_FIGURES.tcp }, value);
    for (const mebibytes of [40, 20, 4])
      recorder.add({ subject: 'hostile', figure: ATTACK_FIGURES.grown }, mebibytes);
    assert.deepEqual(outcomes(judgeAttack('native', recorder)), [
      [0.8, true, false],
      [20, false, false],
    ]);
  });

  test('is not judged where there was none', () => {
    assert.deepEqual(judgeAttack('native', new Recorder('attack')), []);
  });
});

describe('a stream through a relay', () => {
  const measured: Readonly<Record<DaemonFigure, readonly number[]>> = {
    direct: [10, 4],
    relayed: [6, 2.4],
    directCpu: [1, 1],
    endsCpu: [2, 2],
    relayCpu: [0.9, 0.5],
  };

  test('is judged beside the direct one, and its relay beside both ends', () => {
    assert.deepEqual(outcomes(judgeDaemons('mtu', (figure) => measured[figure])), [
      [0.6, true, false],
      [0.35, true, false],
      [0.7, true, false],
    ]);
  });

  test('is not judged where no daemon ran', () => {
    assert.deepEqual(
      judgeDaemons('gso', () => []),
      [],
    );
  });
});
