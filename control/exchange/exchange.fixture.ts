/** Message streams in memory, for tests of what runs over them. */
import type { MessageStream } from '../network/message-streams.ts';

/** One end of a stream in memory; messages arrive in a later microtask. */
class PipeEnd implements MessageStream {
  onMessage: (message: Uint8Array) => void = () => undefined;
  onClose: (reason: string) => void = () => undefined;
  other: PipeEnd | undefined;
  isClosed = false;
  readonly peer: string;
  readonly openedHere: boolean;

  constructor(peer: string, openedHere: boolean) {
    this.peer = peer;
    this.openedHere = openedHere;
  }

  send(message: Uint8Array): boolean {
    queueMicrotask(() => {
      if (this.other?.isClosed === false) this.other.onMessage(message);
    });
    return !this.isClosed;
  }

  close(): void {
    for (const end of [this, this.other]) {
      if (end !== undefined && !end.isClosed) {
        end.isClosed = true;
        queueMicrotask(() => {
          end.onClose('closed');
        });
      }
    }
  }
}

/** @returns the opener's end and the acceptor's */
export function createPipe(opener: string, acceptor: string): readonly [MessageStream, MessageStream] {
  const [near, far] = [new PipeEnd(acceptor, true), new PipeEnd(opener, false)];
  near.other = far;
  far.other = near;
  return [near, far];
}
