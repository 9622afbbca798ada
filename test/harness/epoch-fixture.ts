/**
 * A change of epoch in the middle: two nodes of a VLAN that have two epochs, of which one is used for unicast already.
 * Tests only.
 */
import { stationToken } from '../../control/token/token.ts';
import { CIPHER_CHACHA20_POLY1305, NONE, Station, TOKEN_LOCAL } from '../../dataplane/shm/layout.ts';
import { TABLE } from '../../dataplane/shm/memory-map.ts';
import { bytesOf, type FixturePair, PERIOD } from './dataplane-fixture.ts';
import {
  insertRxSender,
  insertToken,
  setFields,
  writeEpoch,
  writeFrameKey,
  writeSalt,
} from './table-writer.ts';

/** A second epoch of the VLAN at both ends; the left one reaches the right one's station under it. */
export function moveUnicastAhead({ left, right }: FixturePair): void {
  const secrets = { tokenKey: bytesOf('next token key', 32), segment: { id: bytesOf('next segment', 16) } };
  for (const { tables } of [left, right]) {
    writeEpoch(tables, 1, {
      vlan: 0,
      segment: secrets.segment.id,
      tokenKey: secrets.tokenKey,
      maskKey: bytesOf('next mask key', 32),
      period: PERIOD,
      serial: 2,
    });
  }
  const cipher = CIPHER_CHACHA20_POLY1305;
  const key = bytesOf('next pair key', 32);
  writeFrameKey(left.tables, 2, { cipher, salt: 1, keySerial: 20, key });
  writeSalt(left.tables, 1, { worker: 0, leafLane: 0xa1, saltLow: 77, saltHigh: 7 });
  writeFrameKey(right.tables, 18, { cipher, salt: NONE, keySerial: 21, key });
  const name = { epoch: 1, leafLane: 0xa1, saltLow: 77, saltHigh: 7 };
  insertRxSender(right.tables, name, { pairKey: 18, firstCounter: 0, member: 1 });
  insertToken(right.tables, stationToken(secrets, PERIOD, right.mac), { epoch: 1, flags: TOKEN_LOCAL });
  const station = TABLE.stations + left.peerStation * Station.size;
  setFields(left.tables.buffer, Station, station, { route: (1 << 16) | 2 });
}
