/**
 * Owns the disturbances that nftables can make on an underlay: loss, blocked UDP and cut links.
 *
 * They stand in tables of their own, so that each is lifted without touching the other. Runs on the main thread of a
 * test process, on namespaces that the lab made.
 */

import type { Namespace } from './namespace.ts';

/** The datagram ports that a daemon may use: the base port and one a worker. */
const DATAGRAM_PORTS = '7947-7962';

/** Has a namespace lose datagrams that arrive for a daemon, by chance. @param percent - 0 to 100 */
export function loseDatagrams(namespace: Namespace, percent: number): void {
  // In ten-thousandths, so that half a percent can be asked for.
  const share = Math.round(percent * 100);
  install(namespace, 'pt_loss', `udp dport ${DATAGRAM_PORTS} numgen random mod 10000 < ${share} drop`);
}

/** Ends {@link loseDatagrams}. */
export function stopLosing(namespace: Namespace): void {
  remove(namespace, 'pt_loss');
}

/** Has a namespace drop every UDP datagram that arrives from the underlay, as a strict firewall does. */
export function blockUdp(namespace: Namespace, interfaceName = 'eth0'): void {
  install(namespace, 'pt_block', `iifname "${interfaceName}" meta l4proto udp drop`);
}

/** Ends {@link blockUdp}. */
export function allowUdp(namespace: Namespace): void {
  remove(namespace, 'pt_block');
}

/** Has a namespace drop all that arrives on an interface, which stays up: a wire that was cut behind a switch. */
export function cutOff(namespace: Namespace, interfaceName: string): void {
  install(namespace, `pt_cut_${interfaceName}`, `iifname "${interfaceName}" drop`);
}

/** Ends {@link cutOff}. */
export function reconnect(namespace: Namespace, interfaceName: string): void {
  remove(namespace, `pt_cut_${interfaceName}`);
}

function install(namespace: Namespace, table: string, rule: string): void {
  remove(namespace, table);
  namespace.runSync('nft', [
    `table inet ${table} { chain input { type filter hook input priority 0; ${rule}; }; }`,
  ]);
}

function remove(namespace: Namespace, table: string): void {
  namespace.runSync('nft', [`table inet ${table} { }; delete table inet ${table}`]);
}
