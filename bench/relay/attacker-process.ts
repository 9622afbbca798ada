/**
 * The process that attacks a relay's datagram port: it overhears what a member sends there, and sends that again, forged,
 * cut short and too long, and noise, at a rate. One answers for the ears, another in the attacker's own namespace for the
 * rest. Bounded in time; it blocks while it works.
 *
 *   blocks of BLOCK_DATAGRAMS    replayed │ forged │ truncated │ random     each one GSO send;  oversized: one datagram
 */
import { libc } from '../../dataplane/io/libc.ts';
import { MessageSender } from '../../dataplane/io/message-sender.ts';
import { allocateNative, type NativeMemory } from '../../dataplane/io/native-memory.ts';
import { encodeSocketAddress } from '../../dataplane/io/sockaddr.ts';
import { openDatagramSocket, SOL_IP, setOption } from '../../dataplane/io/udp-socket.ts';
import { LINK, LINK_MIN_BYTES, LINK_VERSION_TYPE } from '../../dataplane/wire/link-datagram.ts';
import { PacketSocket, waitForFrame } from '../../test/lab/packet-socket.ts';
import { RandomWords } from '../micro/table-cells.ts';
import { answerBench } from './child.ts';
import { HOSTILE_KINDS, type HostileKind } from './hostile-kinds.ts';

/** Overhear a datagram of at least so many bytes on an interface, within a time. */
export interface CaptureQuestion {
  readonly kind: 'capture';
  readonly interfaceName: string;
  readonly ports: readonly number[];
  readonly leastBytes: number;
  readonly timeoutMs: number;
}

/** Attack by what was overheard, all kinds in turn. */
export interface AttackQuestion {
  readonly kind: 'attack';
  readonly address: string;
  readonly overheard: Overheard;
  readonly perSecond: number;
  readonly seconds: number;
}

/** A datagram, in hexadecimal, and the port that it was for. */
export interface Overheard {
  readonly port: number;
  readonly hex: string;
}

/** What was overheard, and how many datagrams were sent. */
export interface AttackerReading {
  readonly overheard?: Overheard;
  readonly sent: number;
}

/** Ethernet, IPv4 without options, UDP. */
const IPV4 = { etherType: 12, protocol: 23, port: 36, payload: 42 } as const;
const ETHERTYPE_IPV4 = 0x0800;
const PROTOCOL_UDP = 17;
const IP_MTU_DISCOVER = 10;
const PMTUDISC_DONT = 0;
const BUFFER_BYTES = 1 << 20;
const BLOCK_DATAGRAMS = 32;
const AREA_BYTES = 65_536;
/** More than any trunk takes; the kernels cut it and put it together again. */
const OVERSIZED_BYTES = 9_000;
const PAUSE_MS = 1;
const SEED = 11;

/** What one send is given. */
interface Block {
  readonly offset: number;
  readonly datagramBytes: number;
  readonly datagrams: number;
}

function capture({ interfaceName, ports, leastBytes, timeoutMs }: CaptureQuestion): AttackerReading {
  const socket = new PacketSocket(interfaceName);
  const endMs = performance.now() + timeoutMs;
  try {
    while (performance.now() < endMs) {
      waitForFrame([socket], PAUSE_MS);
      for (let frame = socket.receive(); frame !== undefined; frame = socket.receive()) {
        if (!isUdp(frame) || frame.length < IPV4.payload + leastBytes) continue;
        const port = frame.readUInt16BE(IPV4.port);
        const hex = frame.subarray(IPV4.payload).toString('hex');
        if (ports.includes(port)) return { overheard: { port, hex }, sent: 0 };
      }
    }
  } finally {
    socket.close();
  }
  return { sent: 0 };
}

function isUdp(frame: Buffer): boolean {
  return (
    frame.length > IPV4.payload &&
    frame.readUInt16BE(IPV4.etherType) === ETHERTYPE_IPV4 &&
    frame[IPV4.protocol] === PROTOCOL_UDP
  );
}

function attack({ address, overheard, perSecond, seconds }: AttackQuestion): AttackerReading {
  const memory = allocateNative(HOSTILE_KINDS.length * AREA_BYTES);
  const template = Buffer.from(overheard.hex, 'hex');
  const blocks = HOSTILE_KINDS.map((kind, index) => layBlock(memory, kind, index * AREA_BYTES, template));
  const sender = openSender(address, overheard.port);
  const startMs = performance.now();
  let sent = 0;
  for (let turn = 0; performance.now() < startMs + seconds * 1000; turn++) {
    const { offset, datagramBytes, datagrams } = blocks[turn % blocks.length] as Block;
    const length = datagrams * datagramBytes;
    const error = sender.send(memory.address + offset, length, datagrams === 1 ? 0 : datagramBytes);
    if (error === 0) sent += datagrams;
    while (sent > ((performance.now() - startMs) * perSecond) / 1000) libc.poll(memory.address, 0, PAUSE_MS);
  }
  return { sent };
}

function openSender(ip: string, port: number): MessageSender {
  const own = { ip: '0.0.0.0', port: 0 };
  const { fd } = openDatagramSocket({ address: own, bufferBytes: BUFFER_BYTES, gro: false });
  setOption(fd, SOL_IP, IP_MTU_DISCOVER, PMTUDISC_DONT);
  const destination = new Uint8Array(32);
  const sender = new MessageSender(fd, false);
  sender.setDestination(destination, 0, encodeSocketAddress({ ip, port }, false, destination, 0));
  return sender;
}

function layBlock({ bytes }: NativeMemory, kind: HostileKind, offset: number, template: Uint8Array): Block {
  const datagrams = kind === 'oversized' ? 1 : BLOCK_DATAGRAMS;
  const datagramBytes =
    kind === 'truncated' ? LINK_MIN_BYTES - 1 : kind === 'oversized' ? OVERSIZED_BYTES : template.length;
  const words = new RandomWords(SEED);
  for (let index = 0; index < datagrams; index++) {
    const at = offset + index * datagramBytes;
    for (let byte = 0; kind === 'random' && byte < datagramBytes; byte++) bytes[at + byte] = words.next();
    if (kind === 'random') bytes[at] = LINK_VERSION_TYPE;
    else bytes.set(template.subarray(0, datagramBytes), at);
    // A counter that the member does not come to: it is not refused by its window before its blocks are opened.
    if (kind === 'forged') bytes[at + LINK.counter + 3] = (bytes[at + LINK.counter + 3] ?? 0) + 1;
    if (kind === 'forged') bytes[at + LINK.token] = index;
  }
  return { offset, datagramBytes, datagrams };
}

answerBench(
  (question: CaptureQuestion | AttackQuestion): AttackerReading =>
    question.kind === 'capture' ? capture(question) : attack(question),
);
