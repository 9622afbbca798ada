/**
 * Owns mDNS by Avahi in namespaces of the lab: a daemon that publishes a service, and a look for it from elsewhere.
 *
 * Avahi has one place for its socket and its services and is on one system bus; each namespace gets these in a mount
 * namespace of its own, which ends with the programs in it. Runs on the main thread of a test process.
 */

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { toolPath } from './command.ts';
import type { Namespace } from './namespace.ts';

/** A test without one of these is skipped. */
export const AVAHI_TOOLS = ['avahi-daemon', 'avahi-browse', 'dbus-daemon'] as const;

/** Looks again after each of so many tries, each of which ends by itself. */
const BROWSE_TRIES = 8;
const BROWSE_TIMEOUT_MS = 30_000;

/** Where a service is looked for or told. */
export interface MdnsSide {
  readonly namespace: Namespace;
  readonly interfaceName: string;
  /** Empty; config and log go there. */
  readonly directory: string;
  readonly hostName: string;
}

/** A service as mDNS tells it. */
export interface MdnsService {
  readonly name: string;
  /** As in `_http._tcp`. */
  readonly type: string;
  readonly port: number;
}

/** Starts a daemon that publishes a service. @returns ends it */
export function publishService(side: MdnsSide, service: MdnsService): () => void {
  const services = join(side.directory, 'services');
  mkdirSync(services, { recursive: true });
  writeFileSync(join(services, 'lab.service'), describe(service));
  const script = `mount -t tmpfs none /run && mount --bind "$2" /etc/avahi/services && exec "$0" ${DAEMON_ARGUMENTS} -f "$1"`;
  const args = ['-c', script, toolPath('avahi-daemon'), writeConfig(side, false), services];
  const child = side.namespace.start('sh', args, { logFile: join(side.directory, 'avahi.log') });
  return () => child.kill('SIGKILL');
}

/** Looks for services of a type by `avahi-browse`. @returns its lines: `=;ptap0;IPv4;name;type;domain;host;address;port;text` */
export async function browseServices(side: MdnsSide, type: string): Promise<string> {
  const script = `
    mount -t tmpfs none /run && mkdir /run/dbus || exit 1
    "$0" --system --nofork --nopidfile & bus=$!
    trap 'kill $bus $avahi 2>/dev/null' EXIT
    while [ ! -S /run/dbus/system_bus_socket ]; do sleep 0.05; done
    "$1" ${DAEMON_ARGUMENTS} -f "$2" >>"$3" 2>&1 & avahi=$!
    for try in $(seq ${BROWSE_TRIES}); do
      found=$("$4" -ptrk "$5" 2>>"$3" | grep '^=')
      [ -n "$found" ] && break
      sleep 0.5
    done
    echo "$found"`;
  const programs = [toolPath('dbus-daemon'), toolPath('avahi-daemon')];
  const files = [writeConfig(side, true), join(side.directory, 'browse.log')];
  const args = ['-c', script, ...programs, ...files, toolPath('avahi-browse'), type];
  return (await side.namespace.run('sh', args, { timeoutMs: BROWSE_TIMEOUT_MS })).stdout;
}

/** As the lab's processes are: no user of their own, and nothing of the machine's but what is mounted for them. */
const DAEMON_ARGUMENTS = '--no-drop-root --no-chroot --no-rlimits';

function writeConfig({ directory, hostName, interfaceName }: MdnsSide, hasBus: boolean): string {
  const file = join(directory, 'avahi.conf');
  writeFileSync(
    file,
    [
      '[server]',
      `host-name=${hostName}`,
      `allow-interfaces=${interfaceName}`,
      `enable-dbus=${hasBus ? 'yes' : 'no'}`,
      '',
    ].join('\n'),
  );
  return file;
}

function describe({ name, type, port }: MdnsService): string {
  return `<?xml version="1.0" standalone='no'?>
<!DOCTYPE service-group SYSTEM "avahi-service.dtd">
<service-group>
  <name>${name}</name>
  <service><type>${type}</type><port>${port}</port></service>
</service-group>
`;
}
