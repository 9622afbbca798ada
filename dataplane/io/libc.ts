/**
 * The C library's functions that the data plane calls, found in the running process (so glibc and musl both do).
 * Any thread. Pointers are passed as numbers (native-memory.ts), nothing is allocated per call. Structures are laid
 * out by their users for 64-bit little-endian Linux: x86-64 and arm64.
 */
import koffi from 'koffi';

const library = koffi.load(null);

function bind<F extends (...args: never[]) => number>(definition: string): F {
  return library.func(definition) as unknown as F;
}

type Transfer = (fd: number, address: number, count: number) => number;

/** Each returns -1 and sets errno() when it fails. */
export const libc = {
  open: bind<(path: number, flags: number, mode: number) => number>(
    'int open(uintptr_t path, int flags, int mode)',
  ),
  close: bind<(fd: number) => number>('int close(int fd)'),
  read: bind<Transfer>('int64_t read(int fd, uintptr_t buffer, size_t count)'),
  write: bind<Transfer>('int64_t write(int fd, uintptr_t buffer, size_t count)'),
  writev: bind<Transfer>('int64_t writev(int fd, uintptr_t iovecs, int count)'),
  ioctl: bind<(fd: number, request: number, argument: number) => number>(
    'int ioctl(int fd, ulong request, uintptr_t argument)',
  ),
  socket: bind<(domain: number, type: number, protocol: number) => number>('int socket(int, int, int)'),
  socketpair: bind<(domain: number, type: number, protocol: number, fds: number) => number>(
    'int socketpair(int, int, int, uintptr_t fds)',
  ),
  bind: bind<Transfer>('int bind(int fd, uintptr_t address, uint32_t length)'),
  getsockname: bind<(fd: number, address: number, length: number) => number>(
    'int getsockname(int fd, uintptr_t address, uintptr_t length)',
  ),
  setsockopt: bind<(fd: number, level: number, name: number, value: number, length: number) => number>(
    'int setsockopt(int fd, int level, int name, uintptr_t value, uint32_t length)',
  ),
  getsockopt: bind<(fd: number, level: number, name: number, value: number, length: number) => number>(
    'int getsockopt(int fd, int level, int name, uintptr_t value, uintptr_t length)',
  ),
  send: bind<(fd: number, buffer: number, count: number, flags: number) => number>(
    'int64_t send(int fd, uintptr_t buffer, size_t count, int flags)',
  ),
  recv: bind<(fd: number, buffer: number, count: number, flags: number) => number>(
    'int64_t recv(int fd, uintptr_t buffer, size_t count, int flags)',
  ),
  sendmsg: bind<Transfer>('int64_t sendmsg(int fd, uintptr_t message, int flags)'),
  recvmmsg: bind<(fd: number, messages: number, count: number, flags: number, timeout: number) => number>(
    'int recvmmsg(int fd, uintptr_t messages, uint32_t count, int flags, uintptr_t timeout)',
  ),
  eventfd: bind<(initial: number, flags: number) => number>('int eventfd(uint32_t initial, int flags)'),
  poll: bind<(fds: number, count: number, timeoutMs: number) => number>(
    'int poll(uintptr_t fds, ulong count, int timeout)',
  ),
  epollCreate: bind<(flags: number) => number>('int epoll_create1(int flags)'),
  epollControl: bind<(epoll: number, operation: number, fd: number, event: number) => number>(
    'int epoll_ctl(int epoll, int operation, int fd, uintptr_t event)',
  ),
  epollWait: bind<(epoll: number, events: number, count: number, timeoutMs: number) => number>(
    'int epoll_wait(int epoll, uintptr_t events, int count, int timeout)',
  ),
  clockGettime: bind<(clock: number, time: number) => number>('int clock_gettime(int clock, uintptr_t time)'),
} as const;

/** The calling thread's errno after a call of {@link libc} that returned -1. */
export function errno(): number {
  return koffi.errno();
}
