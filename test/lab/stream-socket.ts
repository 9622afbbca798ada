/**
 * Owns blocking TCP sockets by system calls: streams through Node's event loop stop at a fraction of what a veth
 * carries, and a probe has nothing else to do while it waits.
 *
 * IPv4 only. Runs on the main thread of a probe process; never in a test process itself, whose event loop it would stop.
 */

import koffi from 'koffi';

const libc = koffi.load('libc.so.6');
const openSocket = libc.func('int socket(int, int, int)');
const bindSocket = libc.func('int bind(int, void *, uint32_t)');
const listenOn = libc.func('int listen(int, int)');
const acceptFrom = libc.func('int accept(int, void *, void *)');
const connectTo = libc.func('int connect(int, void *, uint32_t)');
const setOption = libc.func('int setsockopt(int, int, int, void *, uint32_t)');
const sendBytes = libc.func('int64_t send(int, void *, size_t, int)');
const receiveBytes = libc.func('int64_t recv(int, void *, size_t, int)');
const shutDown = libc.func('int shutdown(int, int)');
const closeDescriptor = libc.func('int close(int)');

const AF_INET = 2;
const SOCK_STREAM = 1;
const SOL_SOCKET = 1;
const SO_REUSEADDR = 2;
const SHUT_WR = 1;
const MSG_NOSIGNAL = 0x4000;

/** One connected stream. */
export class StreamSocket {
  readonly #descriptor: number;

  private constructor(descriptor: number) {
    this.#descriptor = descriptor;
  }

  /** @throws Error when nobody listens there */
  static connect(address: string, port: number): StreamSocket {
    const descriptor = open();
    const where = socketAddress(address, port);
    if (Number(connectTo(descriptor, where, where.length)) !== 0)
      throw new Error(`cannot connect to ${address}:${port}`);
    return new StreamSocket(descriptor);
  }

  /**
   * Listens, says so, and waits for one connection.
   *
   * @param onListening - called when a client may connect
   */
  static acceptOne(address: string, port: number, onListening: () => void): StreamSocket {
    const listener = open();
    setOption(listener, SOL_SOCKET, SO_REUSEADDR, Buffer.from([1, 0, 0, 0]), 4);
    const where = socketAddress(address, port);
    if (Number(bindSocket(listener, where, where.length)) !== 0)
      throw new Error(`cannot bind to ${address}:${port}`);
    if (Number(listenOn(listener, 1)) !== 0) throw new Error(`cannot listen on ${address}:${port}`);
    onListening();
    const descriptor = Number(acceptFrom(listener, null, null));
    closeDescriptor(listener);
    if (descriptor < 0) throw new Error('accept failed');
    return new StreamSocket(descriptor);
  }

  /** Sends all of it. @throws Error when the connection is gone */
  send(bytes: Uint8Array): void {
    for (let sent = 0; sent < bytes.length; ) {
      const rest = sent === 0 ? bytes : bytes.subarray(sent);
      const count = Number(sendBytes(this.#descriptor, rest, rest.length, MSG_NOSIGNAL));
      if (count <= 0) throw new Error('the connection was lost while sending');
      sent += count;
    }
  }

  /** Waits for bytes. @returns how many were put into the buffer; 0 at the end. @throws Error when it was reset */
  receive(into: Uint8Array): number {
    const count = Number(receiveBytes(this.#descriptor, into, into.length, 0));
    if (count < 0) throw new Error('the connection was reset');
    return count;
  }

  /** Tells the other end that nothing more comes. */
  finish(): void {
    shutDown(this.#descriptor, SHUT_WR);
  }

  close(): void {
    closeDescriptor(this.#descriptor);
  }
}

function open(): number {
  const descriptor = Number(openSocket(AF_INET, SOCK_STREAM, 0));
  if (descriptor < 0) throw new Error('cannot open a socket');
  return descriptor;
}

/** sockaddr_in: family u16, port u16 and address u32 in network order, 8 unused. */
function socketAddress(address: string, port: number): Buffer {
  const bytes = Buffer.alloc(16);
  bytes.writeUInt16LE(AF_INET, 0);
  bytes.writeUInt16BE(port, 2);
  address.split('.').forEach((part, at) => bytes.writeUInt8(Number(part), 4 + at));
  return bytes;
}
