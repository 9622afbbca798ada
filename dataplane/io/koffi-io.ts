/**
 * The frame path's system calls for the TypeScript engine, by koffi: TAP queues, the socket, and the wait on both.
 * One worker's thread; the descriptors are the main thread's and stay open.
 */
import type { PacketIo } from '../contract/packet-io.ts';
import type { Arena } from '../shm/arena.ts';
import type { Tables } from '../shm/tables.ts';
import { LinkSocketIo } from './link-socket-io.ts';
import { nativeViews } from './native-memory.ts';
import { QueueWaiter } from './queue-waiter.ts';
import { TapQueueIo } from './tap-queue-io.ts';

/**
 * Binds the system calls to a worker's arena.
 *
 * @param arena - udpFd, wakeFd and ipv6 are set; TAP queues may come and go later
 * @throws SystemError when the kernel gives no epoll
 */
export function createKoffiIo(tables: Tables, arena: Arena): PacketIo {
  const memory = nativeViews(arena.buffer);
  const waiter = new QueueWaiter(arena);
  const taps = new TapQueueIo(arena, memory, (fd) => waiter.forget(fd));
  const link = new LinkSocketIo(tables, arena, memory);
  return {
    wait: (timeoutMs, spin) => waiter.wait(timeoutMs, spin),
    readTap: (queue) => taps.read(queue),
    receive: () => link.receive(),
    send: (train) => link.send(train),
    writeTap: (count) => taps.write(count),
    sendTo: (lane, endpointOffset, offset, length) => link.sendTo(lane, endpointOffset, offset, length),
    close: () => waiter.close(),
  };
}
