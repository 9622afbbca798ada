/**
 * System calls that do nothing, for an engine without a kernel: what a test or a bench wants to see, it takes from the
 * arena.
 */
import type { PacketIo } from '../../dataplane/contract/packet-io.ts';

/** Nothing is ready, nothing comes, and what is sent or written is gone. */
export const NO_IO = {
  wait: () => undefined,
  readTap: () => 0,
  receive: () => 0,
  send: () => undefined,
  writeTap: () => undefined,
  sendTo: () => undefined,
  close: () => undefined,
} satisfies PacketIo;
