/**
 * The C library's functions that the data plane calls, found in the running process (so glibc and musl both do).
 * Any thread. Pointers are passed as numbers, or as BigInts where nothing may be allocated per call (native-memory.ts).
 * Structures are laid out by their users for 64-bit little-endian Linux: x86-64 and arm64.
 */
import koffi from 'koffi';

const library = koffi.load(null);

type Pointer = number | bigint;

/** A call over memory: an address, and a count of bytes, pieces, or flags. */
type Transfer = (fd: number, address: Pointer, count: number) => number;

interface Libc {
  readonly open: (path: number, flags: number, mode: number) => number;
  readonly close: (fd: number) => number;
  readonly read: Transfer;
  readonly write: Transfer;
  readonly writev: Transfer;
  readonly ioctl: (fd: number, request: number, argument: number) => number;
  readonly socket: (domain: number, type: number, protocol: number) => number;
  readonly socketpair: (domain: number, type: number, protocol: number, fds: number) => number;
  readonly bind: Transfer;
  readonly getsockname: (fd: number, address: number, length: number) => number;
  readonly setsockopt: (fd: number, level: number, name: number, value: number, length: number) => number;
  readonly getsockopt: (fd: number, level: number, name: number, value: number, length: number) => number;
  readonly send: (fd: number, address: number, count: number, flags: number) => number;
  readonly recv: (fd: number, address: number, count: number, flags: number) => number;
  readonly sendmsg: Transfer;
  readonly recvmmsg: (fd: number, messages: Pointer, count: number, flags: number, timeout: number) => number;
  readonly eventfd: (initial: number, flags: number) => number;
  readonly poll: (fds: Pointer, count: number, timeoutMs: number) => number;
  readonly epollCreate: (flags: number) => number;
  readonly epollControl: (epoll: number, operation: number, fd: number, event: number) => number;
  readonly epollWait: (epoll: number, events: Pointer, count: number, timeoutMs: number) => number;
  readonly clockGettime: (clock: number, time: Pointer) => number;
  /** For calls that the C library has no function for. */
  readonly syscall: (number: number, a: number, b: Pointer, c: number, d: number) => number;
}

/** Each returns -1 and sets errno() when it fails. */
export const libc: Libc = {
  open: library.func('int open(uintptr_t path, int flags, int mode)'),
  close: library.func('int close(int fd)'),
  read: library.func('int64_t read(int fd, uintptr_t buffer, size_t count)'),
  write: library.func('int64_t write(int fd, uintptr_t buffer, size_t count)'),
  writev: library.func('int64_t writev(int fd, uintptr_t iovecs, int count)'),
  ioctl: library.func('int ioctl(int fd, ulong request, uintptr_t argument)'),
  socket: library.func('int socket(int domain, int type, int protocol)'),
  socketpair: library.func('int socketpair(int domain, int type, int protocol, uintptr_t fds)'),
  bind: library.func('int bind(int fd, uintptr_t address, uint32_t length)'),
  getsockname: library.func('int getsockname(int fd, uintptr_t address, uintptr_t length)'),
  setsockopt: library.func('int setsockopt(int fd, int level, int name, uintptr_t value, uint32_t length)'),
  getsockopt: library.func('int getsockopt(int fd, int level, int name, uintptr_t value, uintptr_t length)'),
  send: library.func('int64_t send(int fd, uintptr_t buffer, size_t count, int flags)'),
  recv: library.func('int64_t recv(int fd, uintptr_t buffer, size_t count, int flags)'),
  sendmsg: library.func('int64_t sendmsg(int fd, uintptr_t message, int flags)'),
  recvmmsg: library.func(
    'int recvmmsg(int fd, uintptr_t messages, uint32_t count, int flags, uintptr_t timeout)',
  ),
  eventfd: library.func('int eventfd(uint32_t initial, int flags)'),
  poll: library.func('int poll(uintptr_t fds, ulong count, int timeout)'),
  epollCreate: library.func('int epoll_create1(int flags)'),
  epollControl: library.func('int epoll_ctl(int epoll, int operation, int fd, uintptr_t event)'),
  epollWait: library.func('int epoll_wait(int epoll, uintptr_t events, int count, int timeout)'),
  clockGettime: library.func('int clock_gettime(int clock, uintptr_t time)'),
  syscall: library.func('int64_t syscall(int64_t number, int64_t a, uintptr_t b, int64_t c, int64_t d)'),
};

/** The calling thread's errno after a call of {@link libc} that returned -1. */
export function errno(): number {
  return koffi.errno();
}
