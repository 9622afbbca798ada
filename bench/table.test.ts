import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { renderTable } from './table.ts';

describe('renderTable', () => {
  it('aligns names to the left and figures to the right', () => {
    const text = renderTable(
      ['figure', 'bare'],
      [
        ['TCP', '9.5'],
        ['ping, idle', '23'],
      ],
    );
    assert.equal(
      text,
      ['figure      bare', '────────────────', 'TCP          9.5', 'ping, idle    23', ''].join('\n'),
    );
  });

  it('leaves a missing cell empty', () => {
    assert.equal(renderTable(['a', 'b', 'c'], [['1', '', '3'], ['2']]).split('\n')[3], '2');
  });
});
