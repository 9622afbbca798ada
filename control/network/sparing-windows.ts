/**
 * Makes yamux tell its peer of room in the window only when half of it is used, as Go's does.
 *
 * The JavaScript one does so after each message: a packet, and its acknowledgement, for every few bytes that come in.
 * On an idle pair that is more than the messages themselves. A stream that is new still answers at once, since its
 * peer waits for that to know that it is open.
 *
 * Main thread. It reads three private fields of YamuxStream; without them a stream is left as it is.
 */
import type { Stream, StreamMuxer, StreamMuxerFactory } from '@libp2p/interface';

/** What YamuxStream has beyond `Stream`, as of 8.0.1. */
interface Windowed {
  sendWindowUpdate: () => void;
  readonly state: number;
  readonly recvWindow: number;
  readonly recvWindowCapacity: number;
}

/** StreamState.Established: neither has a flag of the opening to be sent, nor is the stream paused or over. */
const ESTABLISHED = 3;
/** Beyond this share of the window nothing is said. */
const KEPT_SHARE = 1 / 2;

/** Wraps a yamux factory; see the file's head. */
export function sparingWindows<C>(
  make: (components: C) => StreamMuxerFactory,
): (components: C) => StreamMuxerFactory {
  return (components) => {
    const factory = make(components);
    return {
      protocol: factory.protocol,
      createStreamMuxer: (connection) => sparingMuxer(factory.createStreamMuxer(connection)),
    };
  };
}

function sparingMuxer(muxer: StreamMuxer): StreamMuxer {
  const createStream = muxer.createStream.bind(muxer);
  muxer.createStream = async (options) => {
    const stream = await createStream(options);
    spare(stream);
    return stream;
  };
  muxer.addEventListener('stream', ({ detail }) => spare(detail));
  return muxer;
}

function spare(stream: Stream): void {
  if (!isWindowed(stream)) {
    return;
  }
  const sendWindowUpdate = stream.sendWindowUpdate.bind(stream);
  stream.sendWindowUpdate = () => {
    const isEnough = stream.recvWindowCapacity > stream.recvWindow * KEPT_SHARE;
    if (stream.state !== ESTABLISHED || !isEnough) sendWindowUpdate();
  };
}

function isWindowed(stream: object): stream is Windowed {
  return (
    'sendWindowUpdate' in stream &&
    typeof stream.sendWindowUpdate === 'function' &&
    'state' in stream &&
    typeof stream.state === 'number' &&
    'recvWindow' in stream &&
    typeof stream.recvWindow === 'number' &&
    'recvWindowCapacity' in stream &&
    typeof stream.recvWindowCapacity === 'number'
  );
}
