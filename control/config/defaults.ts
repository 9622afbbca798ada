/** Defaults that others need too, apart from the schema so that a help text does not load it. */

/** Where the daemon looks when no `--config` is given. */
export const DEFAULT_CONFIG_PATH = '/etc/peertap/peertap.json';

/** Node key, VLANs joined at run time. */
export const DEFAULT_STATE_DIRECTORY = '/var/lib/peertap';

/** Where the command finds the daemon. */
export const DEFAULT_CONTROL_SOCKET = '/run/peertap/peertap.sock';

/** MTU of a VLAN's interface, without the Ethernet header. */
export const DEFAULT_MTU_BYTES = 1500;
