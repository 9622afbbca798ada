/**
 * The trunk machine's times and limits, each with its reason.
 *
 * Main thread. Read-only data; the daemon overrides what its config names, tests what they shorten.
 */

export interface TrunkConfig {
  /** What this node does for others, for its Hellos: `relay`. */
  readonly roles: readonly string[];
  /** Trunks at once; a peer beyond them is told so. Memory of the shared trunk table bounds it. */
  readonly trunksMax: number;
  /** Largest link datagram this node takes: jumbo frames' 9,000 less IPv4 and UDP headers. */
  readonly linkMtuBytes: number;
  /** From an opened stream to Hello, or from Hello to HelloReply: several round trips of a bad path. */
  readonly handshakeTimeoutMs: number;
  /** Section 2: rekey after 120 s. Drawn from 85‥100 % of it, so that trunks do not rekey together. */
  readonly rekeyAfterMs: number;
  /** Section 2: no lane seals or opens past 180 s. */
  readonly hardStopMs: number;
  /** Half of the 2^40 datagrams at which a lane must stop, so that the rekey has time. */
  readonly rekeyAtCounter: number;
  /** How long the older keys still open what is on its way: more than a queue of a slow path holds. */
  readonly retireMs: number;
  /** Liveness on a lane that has had traffic in the last `trafficWindowMs`. */
  readonly fastProbeMs: number;
  readonly idleProbeMs: number;
  /** Idle, the other lanes of a trunk are asked this often: their ports' NAT bindings live for a minute or more. */
  readonly idleOtherLanesMs: number;
  /** The same for lanes behind a NAT, whose binding may live for 30 s only (RFC 4787 asks for two minutes). */
  readonly idleMappedLanesMs: number;
  /** Stream lanes while nothing needs them: they live as long as their connection, which has its own pings. */
  readonly idleStreamProbeMs: number;
  /** An idle lane's ask without an answer is repeated after this, so that its death shows in some seconds. */
  readonly idleRetryMs: number;
  readonly trafficWindowMs: number;
  /**
   * A lane is dead after this long, and `deadAfterProbes` probes, without an answer; twice that while frames come in.
   * TCP within a VLAN sends again 0.2, 0.6 and 1.4 s after the path broke, and then after 3 s: by 1.4 s all is to be done.
   */
  readonly deadAfterMs: number;
  readonly deadAfterProbes: number;
  /** A lane that has died is asked this often for `reviveMs`, so that an outage ends when it ends. */
  readonly reviveProbeMs: number;
  readonly reviveMs: number;
  /** Section 2: at most 8 candidates a lane, 5 probes each; a new round of them this long after the last. */
  readonly candidatesMax: number;
  readonly candidateProbes: number;
  /** From the first probe of a candidate to the second; then it doubles. */
  readonly candidateProbeMs: number;
  readonly candidateRoundMs: number;
  /** Rounds in vain come ever more rarely, down to this, while the trunk carries nothing. */
  readonly candidateRoundMaxMs: number;
  /** A trunk with neither control stream nor live carrier is given up after this. A pause of 5 s is none. */
  readonly trunkDeadMs: number;
  readonly backoffMinMs: number;
  readonly backoffMaxMs: number;
  /** First pause after a peer that spoke garbage or another version. */
  readonly penaltyMs: number;
  readonly penaltyMaxMs: number;
  /** Handshakes a peer may start: burst, and refill in a second (a worker in a restart loop needs some). */
  readonly handshakeBurst: number;
  readonly handshakesPerSecond: number;
  /** Answers to a trunk's probes: burst, and refill in a second. */
  readonly answerBurst: number;
  readonly answersPerSecond: number;
  /** Peers remembered only for their handshake budget. */
  readonly budgetsMax: number;
  /** Path MTU: a lost probe is repeated this often; a finished search starts again after `mtuRaiseMs` (RFC 8899 §5.1.1). */
  readonly mtuTries: number;
  readonly mtuRaiseMs: number;
  /** Full-size probes lost in a row, while small ones come back, that make a black hole (RFC 8899 §4.3). */
  readonly blackHoleProbes: number;
  /** Two streams opened from both sides within this are one race; later, the newer one is a reconnection. */
  readonly streamRaceMs: number;
  /** A connection that carries no stream of ours for this long is closed: each costs some 172 kB. */
  readonly unusedConnectionMs: number;
}

export const DEFAULT_TRUNK_CONFIG: TrunkConfig = {
  roles: [],
  trunksMax: 1_024,
  linkMtuBytes: 8_972,
  handshakeTimeoutMs: 5_000,
  rekeyAfterMs: 120_000,
  hardStopMs: 180_000,
  rekeyAtCounter: 2 ** 39,
  retireMs: 5_000,
  fastProbeMs: 200,
  idleProbeMs: 15_000,
  idleOtherLanesMs: 45_000,
  idleMappedLanesMs: 25_000,
  idleStreamProbeMs: 120_000,
  idleRetryMs: 1_000,
  trafficWindowMs: 2_000,
  deadAfterMs: 600,
  deadAfterProbes: 3,
  reviveProbeMs: 500,
  reviveMs: 60_000,
  candidatesMax: 8,
  candidateProbes: 5,
  candidateProbeMs: 250,
  candidateRoundMs: 10_000,
  candidateRoundMaxMs: 120_000,
  trunkDeadMs: 15_000,
  backoffMinMs: 250,
  backoffMaxMs: 5_000,
  penaltyMs: 5_000,
  penaltyMaxMs: 60_000,
  handshakeBurst: 10,
  handshakesPerSecond: 1,
  answerBurst: 512,
  answersPerSecond: 256,
  budgetsMax: 4_096,
  mtuTries: 3,
  mtuRaiseMs: 600_000,
  blackHoleProbes: 4,
  streamRaceMs: 5_000,
  unusedConnectionMs: 10_000,
};
