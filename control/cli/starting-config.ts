/** The commented config that `peertap init` writes. Pure; every value in it is a default or a comment. */

/**
 * Writes the starting config.
 *
 * @param paths - absolute; quoted as JSON strings
 * @returns JSON with comments, which `loadConfig` accepts as it is
 */
export function startingConfig(paths: { stateDirectory: string; controlSocket: string }): string {
  return `// PeerTap's config: JSON with comments. Every key is optional; shown are the defaults.
// \`peertap daemon\` reads it at start, and again on SIGHUP (VLANs, bootstrap and log level).
{
  // The node's key and the VLANs that were created or joined at run time. One daemon each.
  "stateDirectory": ${JSON.stringify(paths.stateDirectory)},

  // Where \`peertap status\` and the other commands reach the daemon (owner and group).
  "controlSocket": ${JSON.stringify(paths.controlSocket)},

  "listen": {
    // Connections from other nodes: over TCP; "/ip4/0.0.0.0/udp/7946/quic-v1" adds QUIC,
    // "/ip4/0.0.0.0/tcp/7980/ws" WebSocket.
    "libp2p": ["/ip4/0.0.0.0/tcp/7946"],
    // Frames, over UDP: this port and the next ones, one for each worker. Let both through a firewall.
    "datagram": { "address": "0.0.0.0", "port": 7947 }
  },

  // Nodes to connect to: their address, and what \`peertap id\` prints there.
  "bootstrap": [
    // "/ip4/192.0.2.1/tcp/7946/p2p/12D3KooW…"
  ],

  // How nodes of the same VLANs find each other besides: mdns on the LAN, dht through the nodes above.
  "discovery": { "mdns": true, "dht": true },

  // Trunks to other nodes at most: 1..1024. Further ones are kept warm by a heartbeat each so often: 1000..3600000.
  "connectionLimit": 256,
  "heartbeatIntervalMs": 60000,

  "dataplane": {
    // "native" (Rust), "typescript", or "auto": native where it can be loaded.
    "engine": "auto",
    // 1..16, or "auto": one a core, at most 4.
    "workers": "auto",
    // Switch one off if \`peertap doctor\` or a driver says so.
    "offloads": { "tapTso": true, "tapUso": true, "udpGso": true, "udpGro": true }
  },

  // level: trace, debug, info, warn, error, fatal, silent. format: auto (pretty on a terminal), json, pretty.
  "log": { "level": "info", "format": "auto" },

  // Segments to be in: an id from \`peertap vlan create NAME\`, and the interface that shows it here. For a private
  // one say so ("private": true), or give an invite in place of the id; it is needed until this node was admitted.
  "vlans": [
    // { "id": "…", "interface": "ptap0", "addresses": ["10.7.0.1/24"], "mtuBytes": 1500 },
    // { "invite": "peertap1…", "interface": "ptap1" }
  ]
}
`;
}
