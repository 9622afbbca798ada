/**
 * `peertap ping|trace|topology|capture|debug` and `peertap relay status`: their options and help; each command's file is
 * loaded only when it runs.
 *
 * Must never import what a command needs.
 */
import { type Command, Option } from 'commander';
import type { DebugChanges } from '../admin/inspection.ts';
import {
  jsonOption,
  levelArgument,
  type QueryOptions,
  rangeArgument,
  secondsArgument,
  socketOption,
  stationArgument,
  vlanArgument,
} from './arguments.ts';
import type { CaptureOptions } from './capture.ts';
import type { CommandIo } from './command-io.ts';
import type { PingOptions } from './ping.ts';
import type { TopologyOptions } from './topology.ts';
import type { TraceOptions } from './trace.ts';

/** The limits of the admin API, control/admin/inspection-schema.ts. */
const MAX_PINGS = 604_800;
const SIZES = [112, 9_216] as const;
const INTERVALS_MS = [10, 3_600_000] as const;
const TIMEOUTS_MS = [10, 60_000] as const;
const MAX_FRAMES = 2 ** 31;
const MAX_CAPTURE_SECONDS = 86_400;
const SNAPS = [16, 65_568] as const;

const STATION = 'a member: its PeerId, a MAC address behind it, or the beginning of either';

/** Adds them to `peertap`. */
export function addInspectionCommands(
  program: Command,
  io: CommandIo,
  setExitCode: (code: number) => void,
): void {
  addPingCommand(program, io, setExitCode);
  addTraceCommand(program, io, setExitCode);
  addTopologyCommand(program, io);
  addCaptureCommand(program, io);
  addDebugCommand(program, io);
  addRelayCommands(program, io);
}

function addPingCommand(program: Command, io: CommandIo, setExitCode: (code: number) => void): void {
  program
    .command('ping')
    .description('ask a member of a VLAN for answers, sealed as frames are, without any IP address')
    .argument('<peer|mac>', STATION, stationArgument)
    .addOption(vlanOption())
    .addOption(numberOption('--count <count>', 'pings to send; 0: until Ctrl-C', [0, MAX_PINGS], 5))
    .addOption(secondsOption('--interval <seconds>', 'between two of them', INTERVALS_MS, 1000))
    .addOption(secondsOption('--timeout <seconds>', 'to wait for each answer', TIMEOUTS_MS, 1000))
    .addOption(numberOption('--size <bytes>', 'of the datagram on the wire', SIZES, 128))
    .option('--mtu', 'look for the largest size that arrives')
    .addOption(jsonOption())
    .addOption(socketOption())
    .addHelpText(
      'after',
      `
Examples:
  peertap ping QZ8f                 whether the member 12D3KooWQZ8f… answers, and how fast
  peertap ping 02:50:54:01:02:03 --vlan home --interval 0.2 --count 50
  peertap ping QZ8f --mtu           what size the path takes

Ends with 1 when nothing was answered.`,
    )
    .action(async (text: string, options: PingOptions) => {
      setExitCode(await (await import('./ping.ts')).runPing(text, options, io));
    });
}

function addTraceCommand(program: Command, io: CommandIo, setExitCode: (code: number) => void): void {
  program
    .command('trace')
    .description('show the nodes on the way to a member, and the trunks between them')
    .argument('<peer|mac>', STATION, stationArgument)
    .addOption(vlanOption())
    .addOption(secondsOption('--timeout <seconds>', 'to wait for each hop', TIMEOUTS_MS, 2000))
    .addOption(jsonOption())
    .addOption(socketOption())
    .addHelpText(
      'after',
      `
Example:
  peertap trace QZ8f

TIME is from the question to that hop's answer. CARRIER, ROUND TRIP and DATAGRAM are of the trunk from that hop to the
next. A hop whose config says "relay": {"trace": false} is shown as (hidden). Ends with 1 when it was not reached.`,
    )
    .action(async (text: string, options: TraceOptions) => {
      setExitCode(await (await import('./trace.ts')).runTrace(text, options, io));
    });
}

function addTopologyCommand(program: Command, io: CommandIo): void {
  program
    .command('topology')
    .description("show this node's trunks, and the tree of each segment that it carries")
    .option('--dot', 'print a graph for Graphviz')
    .addOption(jsonOption())
    .addOption(socketOption())
    .addHelpText(
      'after',
      `
Examples:
  peertap topology
  peertap topology --dot | dot -Tsvg -o topology.svg`,
    )
    .action(async (options: TopologyOptions) => {
      await (await import('./topology.ts')).runTopology(options, io);
    });
}

function addCaptureCommand(program: Command, io: CommandIo): void {
  program
    .command('capture')
    .description("record what passes a VLAN's interface, as pcapng, which Wireshark and tcpdump read")
    .addOption(new Option('--vlan <id>', 'the VLAN').argParser(vlanArgument).makeOptionMandatory())
    .requiredOption('--write <file>', 'where to write it; - is stdout, for a pipe')
    .addOption(numberOption('--count <frames>', 'end after so many; 0: no limit', [0, MAX_FRAMES], 0))
    .addOption(
      numberOption('--seconds <seconds>', 'end after so long; 0: no limit', [0, MAX_CAPTURE_SECONDS], 0),
    )
    .addOption(numberOption('--snap <bytes>', 'keep so much of each frame', SNAPS, SNAPS[1]))
    .addOption(jsonOption())
    .addOption(socketOption())
    .addHelpText(
      'after',
      `
Examples:
  peertap capture --vlan home --write home.pcapng --seconds 10
  peertap capture --vlan home --write - | tcpdump -nr -

Ctrl-C ends it, and brings the file to its end. What it records is what the machine's own tcpdump would see on the
interface: frames before they are sealed, and after they are opened.`,
    )
    .action(async (options: CaptureOptions) => {
      await (await import('./capture.ts')).runCapture(options, io);
    });
}

function addDebugCommand(program: Command, io: CommandIo): void {
  program
    .command('debug')
    .description('set what the running daemon logs, by its parts, and show it')
    .argument(
      '[subsystem=level...]',
      "levels to set; default is the config's again, and all=LEVEL sets each",
      levelArgument,
    )
    .addOption(jsonOption())
    .addOption(socketOption())
    .addHelpText(
      'after',
      `
Examples:
  peertap debug                         shows all
  peertap debug tree=debug trunk=trace  sets two
  peertap debug all=default             back to the config

It holds until the daemon ends.`,
    )
    .action(async (changes: DebugChanges | undefined, options: QueryOptions) => {
      await (await import('./debug.ts')).runDebug(changes ?? {}, options, io);
    });
}

function addRelayCommands(program: Command, io: CommandIo): void {
  program
    .command('relay')
    .description('show what this node carries for others')
    .command('status')
    .description('show segments, tokens, rates and refusals')
    .addOption(jsonOption())
    .addOption(socketOption())
    .addHelpText(
      'after',
      `
Example:
  peertap relay status

A segment is a VLAN's tree as a relay sees it: an id, and no name, member or address.`,
    )
    .action(async (options: QueryOptions) => {
      await (await import('./relay.ts')).runRelayStatus(options, io);
    });
}

function vlanOption(): Option {
  return new Option('--vlan <id>', 'the VLAN, when more than one is in question').argParser(vlanArgument);
}

function numberOption(
  flags: string,
  text: string,
  [least, most]: readonly [number, number],
  preset: number,
): Option {
  return new Option(flags, text).argParser(rangeArgument(least, most)).default(preset);
}

/** Its value is in milliseconds. */
function secondsOption(
  flags: string,
  text: string,
  [leastMs, mostMs]: readonly [number, number],
  presetMs: number,
): Option {
  return new Option(flags, text)
    .argParser(secondsArgument(leastMs, mostMs))
    .default(presetMs, String(presetMs / 1000));
}
