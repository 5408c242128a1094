import { INVALID_LIST } from '../../api/invalid-packet.js';
import { type Handler, streamHandler } from '../api-handler.js';
import type { InvalidPackets } from '../invalid-packets.js';

/** Returns the handler of the record of invalid packets. */
export function invalidPacketHandlers(packets: InvalidPackets): Handler[] {
  return [streamHandler(INVALID_LIST, () => packets.list())];
}
