/** Behaviour of the VLAN registry and its state file: what is joined, owned, kept, refused. */
import assert from 'node:assert/strict';
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { VlanError, type VlanErrorCode } from './vlan-error.ts';
import { formatVlanId } from './vlan-id.ts';
import { MAX_VLANS, VlanRegistry } from './vlan-registry.ts';
import type { VlanAttachment } from './vlan-state.ts';
import { vlanStatePath } from './vlan-state.ts';

let directory = '';

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'peertap-vlan-'));
});

afterEach(() => {
  rmSync(directory, { recursive: true, force: true });
});

function seed(value: number): Uint8Array {
  return new Uint8Array(32).fill(value);
}

function idText(value: number): string {
  const id = new Uint8Array(16);
  new DataView(id.buffer).setUint32(0, value);
  return formatVlanId(id);
}

function attachment(id: string, interfaceName = 'ptap0'): VlanAttachment {
  return {
    id,
    interface: interfaceName,
    addresses: ['10.7.0.1/24'],
    mtuBytes: 1_500,
    multicast: 'snoop',
    paths: 'failover',
    treeRank: 128,
  };
}

function refuses(code: VlanErrorCode, action: () => unknown): VlanError {
  let caught: unknown;
  try {
    action();
  } catch (error) {
    caught = error;
  }
  assert.ok(caught instanceof VlanError, `expected VlanError ${code}, got ${String(caught)}`);
  assert.equal(caught.code, code);
  return caught;
}

test('a created VLAN makes this node its owner and first member without an interface', () => {
  const entry = VlanRegistry.open(directory, []).create('office', seed(1));

  assert.equal(entry.owned, true);
  assert.equal(entry.name, 'office');
  assert.equal(entry.attachment, undefined);
  assert.deepEqual(VlanRegistry.open(directory, []).list(), [entry]);
});

test('the owner attaches an interface by joining its own VLAN', () => {
  const registry = VlanRegistry.open(directory, []);
  const { id } = registry.create('office', seed(1));

  const joined = registry.join(attachment(id));

  assert.equal(joined.owned, true);
  assert.equal(joined.attachment?.interface, 'ptap0');
  assert.equal(VlanRegistry.open(directory, []).list().length, 1);
});

test('a join that could not be carried out leaves a stranger, an owner and a former owner as they were', () => {
  const registry = VlanRegistry.open(directory, []);
  const owned = registry.create('office', seed(1)).id;
  const left = registry.create('attic', seed(2)).id;
  registry.leave(left);
  const before = registry.list();

  for (const id of [idText(5), owned, left]) {
    const present = registry.find(id);
    registry.join(attachment(id));
    registry.undoJoin(id, present);
    assert.deepEqual(registry.list(), before);
  }

  assert.deepEqual(VlanRegistry.open(directory, []).list(), before);
});

test('a join at run time is there again after a restart', () => {
  VlanRegistry.open(directory, []).join(attachment(idText(5)));

  assert.deepEqual(VlanRegistry.open(directory, []).find(idText(5))?.attachment, attachment(idText(5)));
});

test('leaving ends membership and keeps the key of an owned VLAN', () => {
  const registry = VlanRegistry.open(directory, []);
  const { id } = registry.create('office', seed(1));
  registry.leave(id);

  assert.deepEqual(registry.list(), []);
  const again = VlanRegistry.open(directory, []);
  assert.deepEqual(again.list(), []);
  assert.equal(again.join(attachment(id)).name, 'office');
});

test('a reload removes only VLANs that came from the config', () => {
  const registry = VlanRegistry.open(directory, [attachment(idText(1)), attachment(idText(2), 'ptap1')]);
  registry.join(attachment(idText(3), 'ptap2'));

  const changes = registry.reconfigure([
    { ...attachment(idText(2), 'ptap1'), mtuBytes: 1_400 },
    attachment(idText(4), 'ptap4'),
  ]);

  assert.deepEqual(
    changes.removed.map((entry) => entry.id),
    [idText(1)],
  );
  assert.deepEqual(
    changes.added.map((entry) => entry.id),
    [idText(4)],
  );
  assert.deepEqual(
    changes.changed.map((change) => change.after.attachment?.mtuBytes),
    [1_400],
  );
  assert.ok(registry.find(idText(3)));
});

test('what an interface does with multicast is kept, and a reload sees that it changed', () => {
  const registry = VlanRegistry.open(directory, [attachment(idText(1))]);
  registry.join({ ...attachment(idText(3), 'ptap2'), multicast: 'flood' });
  const changes = registry.reconfigure([{ ...attachment(idText(1)), multicast: 'flood' }]);

  assert.deepEqual(
    changes.changed.map((change) => change.after.attachment?.multicast),
    ['flood'],
  );
  const again = VlanRegistry.open(directory, []);
  assert.equal(again.find(idText(3))?.attachment?.multicast, 'flood');
});

test('by how many paths a VLAN is sent, and its rank, is kept, and a reload sees that it changed', () => {
  const registry = VlanRegistry.open(directory, [attachment(idText(1))]);
  registry.join({ ...attachment(idText(3), 'ptap2'), paths: 'redundant', treeRank: 7 });
  const changes = registry.reconfigure([{ ...attachment(idText(1)), paths: 'redundant', treeRank: 9 }]);

  assert.deepEqual(
    changes.changed.map(({ after }) => [after.attachment?.paths, after.attachment?.treeRank]),
    [['redundant', 9]],
  );
  const again = VlanRegistry.open(directory, []);
  assert.equal(again.find(idText(3))?.attachment?.paths, 'redundant');
  assert.equal(again.find(idText(3))?.attachment?.treeRank, 7);
});

test('a VLAN of the config that was left comes back with a reload', () => {
  const configured = [attachment(idText(1))];
  const registry = VlanRegistry.open(directory, configured);
  registry.leave(idText(1));
  assert.deepEqual(registry.list(), []);

  assert.deepEqual(
    registry.reconfigure(configured).added.map((entry) => entry.id),
    [idText(1)],
  );
});

test('joining twice, on a taken interface, or leaving what was not joined is refused', () => {
  const registry = VlanRegistry.open(directory, [attachment(idText(1))]);

  refuses('already-joined', () => registry.join(attachment(idText(1), 'ptap9')));
  refuses('interface-taken', () => registry.join(attachment(idText(2))));
  refuses('not-a-member', () => registry.leave(idText(7)));
});

test('names that would break a listing are refused', () => {
  const registry = VlanRegistry.open(directory, []);

  for (const name of ['', 'x'.repeat(65), 'two\nlines']) {
    refuses('invalid-name', () => registry.create(name, seed(1)));
  }
});

test('the limit of VLANs holds', () => {
  const configured = Array.from({ length: MAX_VLANS }, (_, index) => attachment(idText(index), `p${index}`));
  const registry = VlanRegistry.open(directory, configured);

  refuses('too-many-vlans', () => registry.create('one more', seed(1)));
  refuses('too-many-vlans', () => registry.join(attachment(idText(9_999), 'more')));
});

test('a damaged state file is named and left as it is', () => {
  const path = vlanStatePath(directory);
  const damaged = [
    '{"version":1,"owned":[',
    '[]',
    '{"version":2}',
    '{"version":1,"owned":[{}],"joined":[]}',
    '\xff\xfe',
  ];
  for (const text of damaged) {
    writeFileSync(path, text);

    const error = refuses('state-corrupt', () => VlanRegistry.open(directory, []));

    assert.ok(error.message.includes(path));
    assert.equal(readFileSync(path, 'utf8'), text);
  }
});

test('a key that does not belong to its id is damage', () => {
  VlanRegistry.open(directory, []).create('office', seed(1));
  const path = vlanStatePath(directory);
  const document = JSON.parse(readFileSync(path, 'utf8')) as { owned: { seed: string }[] };
  const [first] = document.owned;
  assert.ok(first);
  first.seed = Buffer.from(seed(2)).toString('base64url');
  writeFileSync(path, JSON.stringify(document));

  refuses('state-corrupt', () => VlanRegistry.open(directory, []));
});

test('when the state cannot be written nothing changes, on disk or in memory', () => {
  const registry = VlanRegistry.open(directory, []);
  registry.create('office', seed(1));
  const before = readFileSync(vlanStatePath(directory));
  // A directory in the temporary file's place stands for a disk that refuses the write; root ignores modes.
  mkdirSync(`${vlanStatePath(directory)}.tmp/full`, { recursive: true });

  refuses('state-unwritable', () => registry.create('second', seed(2)));

  assert.equal(registry.list().length, 1);
  assert.deepEqual(readFileSync(vlanStatePath(directory)), before);
});

test('a full disk is said to be full and loses nothing', { skip: !isCharacterDevice('/dev/full') }, () => {
  const registry = VlanRegistry.open(directory, []);
  registry.create('office', seed(1));
  symlinkSync('/dev/full', `${vlanStatePath(directory)}.tmp`);

  const error = refuses('state-unwritable', () => registry.create('second', seed(2)));

  assert.match(error.message, /the disk is full/);
  assert.equal(VlanRegistry.open(directory, []).list().length, 1);
});

test('the state file is readable by its owner only', () => {
  VlanRegistry.open(directory, []).create('office', seed(1));
  chmodSync(directory, 0o700);

  assert.equal(statSync(vlanStatePath(directory)).mode & 0o777, 0o600);
});

function isCharacterDevice(path: string): boolean {
  try {
    return statSync(path).isCharacterDevice();
  } catch {
    return false;
  }
}
