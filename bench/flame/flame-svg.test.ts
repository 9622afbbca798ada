import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { drawFlameGraph } from './flame-svg.ts';
import { type Frame, foldStacks } from './stack.ts';

function js(name: string): Frame {
  return { name, area: 'JavaScript' };
}

describe('drawFlameGraph', () => {
  const tree = foldStacks('all', [
    { frames: [js('egress'), js('seal<T>')], weight: 3 },
    { frames: [js('egress')], weight: 1 },
    { frames: [js('rare')], weight: 0 },
  ]);
  const svg = drawFlameGraph(tree, 'a & b');

  it('gives each function its share of the samples', () => {
    assert.match(
      svg,
      /<title>egress \(100\.0 %, 4 samples\)<\/title><rect x="0\.00" y="\d+" width="1400\.00"/,
    );
    assert.match(
      svg,
      /<title>seal&lt;T&gt; \(75\.0 %, 3 samples\)<\/title><rect x="0\.00" y="\d+" width="1050\.00"/,
    );
  });

  it('puts a function below its caller', () => {
    const yOf = (name: string): number => Number(new RegExp(`<title>${name}.*? y="(\\d+)"`).exec(svg)?.[1]);
    assert.ok(yOf('seal') > yOf('egress') && yOf('egress') > yOf('all'));
  });

  it('leaves out what cannot be seen, and lets no name become markup', () => {
    assert.ok(!svg.includes('rare'));
    assert.ok(svg.includes('a &amp; b') && !svg.includes('<T>'));
  });

  it('draws nothing but a root when there are no samples', () => {
    assert.match(drawFlameGraph(foldStacks('none', []), 'x'), /^<svg[^]*<\/svg>\n$/);
  });
});
