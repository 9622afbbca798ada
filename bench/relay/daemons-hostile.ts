/**
 * Owns what an attacker at a relay's datagram port costs a stream that passes the relay, with whole daemons: beside as many
 * valid datagrams of a neighbour in the same run.
 *
 *   a ──ptap0 ┈┈(daemon ─ to_b ═══ to_a ─ relay b ─ to_c ═══ to_b ─ daemon)┈┈ ptap0── c        TCP from a to c
 *                              └ overheard    └─ to_d ═══ to_b ─ daemon)┈┈ ptap0── d          UDP to a, or the attack
 *
 * Valid and hostile traffic take turns within each repeat, the second at the rate that the first reached. Runs on the
 * main thread of the bench.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { DATAGRAM_PORT } from '../../test/lab/daemon.ts';
import { FabricNet, RELAY_FOR_ALL } from '../../test/lab/fabric-net.ts';
import { IperfServer, runTcp, runUdp } from '../../test/lab/iperf.ts';
import { residentBytesOf } from '../../test/lab/usage.ts';
import { type BenchEngine, Recorder, type SectionSettings } from '../section.ts';
import type { AttackerReading, AttackQuestion, CaptureQuestion, Overheard } from './attacker-process.ts';
import { BenchChild } from './child.ts';
import { mainEngines, type PartRun } from './core.ts';
import { ATTACK_FIGURES, BESIDE_ATTACK, BESIDE_NOTHING, BESIDE_VALID, judgeAttack } from './targets.ts';

type Attacker = BenchChild<CaptureQuestion | AttackQuestion, AttackerReading>;

/** The network, and who listens and attacks in it. */
interface Scene {
  readonly net: FabricNet;
  readonly ear: Attacker;
  readonly attacker: Attacker;
  readonly settings: SectionSettings;
}

const PAYLOAD_BYTES = 1200;
/** More than a neighbour of this machine's speed sends: it is as fast as it can. */
const ASKED_PER_SECOND = 200_000;
const SMOKE_PER_SECOND = 2_000;
const CAPTURE_MS = 5_000;
/** Both neighbours go on a little longer than the stream, and begin before it. */
const LEAD_SECONDS = 0.3;
const SMOKE_SECONDS = 1;
const WARM_UP_SECONDS = 2;
const MOST_PORTS = 16;

/** Measures each engine; the first alone in the short form and for a test. */
export async function runAttack({ settings, progress }: PartRun) {
  const groups = [];
  const verdicts = [];
  for (const engine of mainEngines(settings)) {
    const recorder = new Recorder(`TCP through a relay, beside a neighbour or an attack: ${engine}`);
    progress(`attack on a relay, ${engine}: four daemons … `);
    await withScene(engine, settings, async (scene) => {
      progress('up\n');
      if (!settings.smoke) await warmUp(scene);
      for (let repeat = 0; repeat < settings.repeatCount; repeat++) {
        await measure(scene, recorder, BESIDE_NOTHING, () => Promise.resolve(0));
        const neighbour = await measure(scene, recorder, BESIDE_VALID, () => sendValid(scene));
        const overheard = await overhear(scene);
        await measure(scene, recorder, BESIDE_ATTACK, () => sendHostile(scene, overheard, neighbour));
        progress(`[${repeat + 1}/${settings.repeatCount}] beside ${Math.round(neighbour)} datagrams/s\n`);
      }
    });
    groups.push(recorder.group());
    verdicts.push(...judgeAttack(engine, recorder));
  }
  return { groups, verdicts };
}

async function withScene(
  engine: BenchEngine,
  settings: SectionSettings,
  work: (scene: Scene) => Promise<void>,
): Promise<void> {
  const edges = [0, 2, 3].map((other) => [Math.min(1, other), Math.max(1, other)] as const);
  const net = new FabricNet({
    count: 4,
    edges,
    members: [0, 2, 3],
    relays: { 1: RELAY_FOR_ALL },
    daemon: { engine },
  });
  const entry = new URL('./attacker-process.ts', import.meta.url);
  const [ear, attacker] = [1, 3].map(
    (index): Attacker => new BenchChild(net.node(index).machine.namespace, entry),
  );
  try {
    if (ear === undefined || attacker === undefined) throw new Error('an attacker is missing');
    await net.start();
    await net.waitForAllPairs();
    await work({ net, ear, attacker, settings });
  } finally {
    await Promise.all([net.remove(), ear?.close(), attacker?.close()]);
  }
}

/** Code that runs for the first time is slow, and makes a process larger. */
async function warmUp({ net }: Scene): Promise<void> {
  const server = await IperfServer.start(net.node(2).machine.namespace);
  try {
    await runTcp(net.node(0).machine.namespace, net.addressOf(net.node(2)), { seconds: WARM_UP_SECONDS });
  } finally {
    await server.stop();
  }
}

/** @param beside - sends, and says at which rate it did */
async function measure(
  { net, settings }: Scene,
  recorder: Recorder,
  subject: string,
  beside: () => Promise<number>,
): Promise<number> {
  const [a, relay, c] = [net.node(0), net.node(1), net.node(2)];
  const server = await IperfServer.start(c.machine.namespace);
  try {
    const before = await relay.status();
    const residentBytes = residentBytesOf(relay.processId);
    const sending = beside();
    await sleep(LEAD_SECONDS * 1000);
    const stream = runTcp(a.machine.namespace, net.addressOf(c), { seconds: secondsOf(settings) });
    const [perSecond, { bitsPerSecond }] = await Promise.all([sending, stream]);
    const { drops } = await relay.status();
    const dropped = sumOf(drops) - sumOf(before.drops);
    recorder.add({ subject, figure: ATTACK_FIGURES.tcp }, bitsPerSecond / 1e9);
    recorder.add({ subject, figure: ATTACK_FIGURES.beside }, perSecond / 1000);
    const sent = perSecond * wholeSecondsOf(settings);
    if (sent > 0) recorder.add({ subject, figure: ATTACK_FIGURES.counted }, (100 * dropped) / sent);
    const grownBytes = residentBytesOf(relay.processId) - residentBytes;
    recorder.add({ subject, figure: ATTACK_FIGURES.grown }, grownBytes / 2 ** 20);
    return perSecond;
  } finally {
    await server.stop();
  }
}

/** From the neighbour to the first member, as fast as it goes. */
async function sendValid({ net, settings }: Scene): Promise<number> {
  const [a, d] = [net.node(0), net.node(3)];
  const server = await IperfServer.start(a.machine.namespace);
  const datagramsPerSecond = settings.smoke ? SMOKE_PER_SECOND : ASKED_PER_SECOND;
  try {
    const { sentPerSecond } = await runUdp(d.machine.namespace, net.addressOf(a), {
      payloadBytes: PAYLOAD_BYTES,
      datagramsPerSecond,
      datagramCount: datagramsPerSecond * wholeSecondsOf(settings),
    });
    return sentPerSecond;
  } finally {
    await server.stop();
  }
}

async function sendHostile(
  { net, attacker, settings }: Scene,
  overheard: Overheard,
  perSecond: number,
): Promise<number> {
  const seconds = wholeSecondsOf(settings);
  const address = net.links.addressOf(1, 3);
  const { sent } = await attacker.ask({ kind: 'attack', address, overheard, perSecond, seconds });
  return sent / seconds;
}

/** What the first member sends to the relay while it pings. */
async function overhear({ net, ear }: Scene): Promise<Overheard> {
  const ports = Array.from({ length: MOST_PORTS }, (_, worker) => DATAGRAM_PORT + worker);
  const interfaceName = net.links.interfaceTo(0);
  const captured = ear.ask({
    kind: 'capture',
    interfaceName,
    ports,
    leastBytes: PAYLOAD_BYTES,
    timeoutMs: CAPTURE_MS,
  });
  const pings = { count: 20, intervalSeconds: 0.05, payloadBytes: PAYLOAD_BYTES };
  const [{ overheard }] = await Promise.all([captured, net.ping(0, 2, pings)]);
  if (overheard === undefined) throw new Error('nothing was overheard on the way to the relay');
  return overheard;
}

function secondsOf({ smoke, seconds }: SectionSettings): number {
  return smoke ? SMOKE_SECONDS : seconds;
}

function wholeSecondsOf(settings: SectionSettings): number {
  return secondsOf(settings) + 2 * LEAD_SECONDS;
}

function sumOf(drops: Readonly<Record<string, number>>): number {
  return Object.values(drops).reduce((sum, count) => sum + count, 0);
}
