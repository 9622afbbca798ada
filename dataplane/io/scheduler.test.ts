/** Slices of a thread, asked of the running kernel. */
import assert from 'node:assert/strict';
import { release } from 'node:os';
import { test } from 'node:test';
import { requestSlice } from './scheduler.ts';

const [major = 0, minor = 0] = release().split('.').map(Number);
const hasSlices = major > 6 || (major === 6 && minor >= 12);

test('a thread gets the slices that it asks for where the kernel has them', { skip: !hasSlices }, () => {
  assert.equal(requestSlice(300), true);
  assert.equal(requestSlice(1000), true);
});

test('a slice that the kernel would bound is not taken for granted', () => {
  assert.equal(requestSlice(1), false);
});
