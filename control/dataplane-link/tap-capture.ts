/** Opens the capture of an interface: dataplane/io's packet socket, as control/capture knows it. Main thread only. */
import { PacketSocket } from '../../dataplane/io/packet-socket.ts';
import type { CaptureSource } from '../capture/capture-port.ts';

/**
 * Listens to an interface.
 *
 * @param snapBytes - kept of each frame
 * @throws SystemError no-such-interface, no-permission, system
 */
export function openTapCapture(interfaceName: string, snapBytes: number): CaptureSource {
  return new PacketSocket(interfaceName, snapBytes);
}
