/** The order in which a batch from the socket passes one worker's stages, around a fake engine. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { READY_UDP, Train } from '../shm/layout.ts';
import { ARENA } from '../shm/memory-map.ts';
import { fakeGraph, forwardTo, setFields, setReady } from './fake-engine.fixture.ts';
import { runTurn } from './turn.ts';

test('a batch from the socket passes the stages in order', () => {
  let batches = 1;
  const graph = fakeGraph({
    receive: () => (batches-- > 0 ? 6 : 0),
    forward: forwardTo(() => graph, 6, 0),
    coalesce: () => 2,
  });
  setReady(graph.arena, READY_UDP, []);
  assert.equal(runTurn(graph.context), 6);
  assert.deepEqual(graph.calls, [
    'wait(1000,0)',
    'receive()',
    ...['openLink(6,1)', 'forward(6)', 'openFrame(6)', 'learn(6)', 'coalesce(6)', 'writeTap(2)'],
    'receive()',
  ]);
});

test('what is for others leaves in trains before what is for this node is opened', () => {
  let batches = 1;
  const graph = fakeGraph({
    receive: () => (batches-- > 0 ? 6 : 0),
    forward: forwardTo(() => graph, 1, 5),
    relay: () => 2,
  });
  setReady(graph.arena, READY_UDP, []);
  for (const train of [0, 1]) {
    setFields(graph.arena, ARENA.trains + train * Train.size, { [Train.at.lane]: 3, [Train.at.count]: 1 });
  }
  runTurn(graph.context);
  assert.deepEqual(graph.calls.slice(2, -1), [
    ...['openLink(6,1)', 'forward(6)', 'relay(6)'],
    ...['closeLink(0)', 'send(0)', 'closeLink(1)', 'send(1)'],
    ...['openFrame(6)', 'learn(6)', 'coalesce(6)'],
  ]);
});

test('a batch that is all for others passes no stage of this node', () => {
  let batches = 1;
  const graph = fakeGraph({ receive: () => (batches-- > 0 ? 6 : 0), forward: forwardTo(() => graph, 0, 6) });
  setReady(graph.arena, READY_UDP, []);
  runTurn(graph.context);
  assert.deepEqual(graph.calls.slice(2, -1), ['openLink(6,1)', 'forward(6)', 'relay(6)']);
});
