/**
 * Eventfds: how one thread wakes another that sleeps in epoll. Main makes them; any thread writes; the owner drains.
 */
import { errno, libc } from './libc.ts';
import { allocateNative } from './native-memory.ts';
import { unexpectedError } from './system-error.ts';

const EFD_CLOEXEC_NONBLOCK = 0o2004000;
const one = allocateNative(8);
one.u32[0] = 1;
const drained = allocateNative(8);

/**
 * Makes an eventfd, non-blocking and closed on exec.
 *
 * @throws SystemError
 */
export function openEventfd(): number {
  const fd = libc.eventfd(0, EFD_CLOEXEC_NONBLOCK);
  if (fd < 0) throw unexpectedError('make an eventfd', errno());
  return fd;
}

/** Wakes whoever waits on it; a counter that is full already wakes as well. */
export function signalEventfd(fd: number): void {
  libc.write(fd, one.pointer, 8);
}

/** Takes all wake-ups that are waiting. */
export function drainEventfd(fd: number): void {
  libc.read(fd, drained.pointer, 8);
}

/** Closes any descriptor. */
export function closeDescriptor(fd: number): void {
  libc.close(fd);
}
