/** What discovery is told of members and of the tree: changes, each once. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FabricNews } from './fabric-news.ts';

const VLAN = new Uint8Array(16).fill(7);

test('discovery hears of members and tree peers when they change, and that a VLAN is left', () => {
  const told: unknown[] = [];
  const news = new FabricNews({
    setMembers: (vlanId, peers) => told.push([vlanId[0], ...peers]),
    setTreePeers: (peers) => told.push(['tree', ...peers]),
  });
  const vlan = { vlanId: VLAN, members: [{ peer: 'b' }, { peer: 'a' }] };
  news.look([vlan], new Set(['r']));
  news.look([vlan], new Set(['r']));
  assert.deepEqual(told.splice(0), [
    [7, 'a', 'b'],
    ['tree', 'r'],
  ]);
  news.look([{ ...vlan, members: [{ peer: 'a' }] }], new Set());
  assert.deepEqual(told.splice(0), [[7, 'a'], ['tree']]);
  news.look([], new Set());
  assert.deepEqual(told, [[7]]);
});
