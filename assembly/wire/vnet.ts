// The virtio-net header that precedes each packet on a TUN device with IFF_VNET_HDR: ten bytes in
// the machine's own byte order (linux/virtio_net.h). The kernel judges what we hand back, so that
// nothing here needs to be checked; a wrong header only spoils its own packet.
import {
  SLOT_PACKET,
  SLOT_VNET,
  VNET_F_NEEDS_CSUM,
  VNET_FLAGS,
  VNET_GSO_LEN,
  VNET_GSO_TYPE,
} from '../layout';

/** Set beside a GSO type when segments may carry ECN's CWR. */
const GSO_ECN: u32 = 0x80;

/** Returns where the virtio-net header of the packet at `ip` is. */
export function vnetOf(ip: usize): usize {
  return ip - (SLOT_PACKET - SLOT_VNET);
}

/** Returns whether the transport checksum is partial: the pseudo-header's sum, not complemented. */
export function vnetNeedsChecksum(vnet: usize): bool {
  return (load<u8>(vnet, VNET_FLAGS) & VNET_F_NEEDS_CSUM) !== 0;
}

/** Returns the payload bytes of each segment that the packet will be cut into, 0 for no cutting. */
export function vnetGsoSize(vnet: usize): u32 {
  if ((load<u8>(vnet, VNET_GSO_TYPE) & ~GSO_ECN) === 0) return 0;
  return load<u16>(vnet, VNET_GSO_LEN);
}

/** Says of a packet that it is complete and whole. */
export function vnetClear(vnet: usize): void {
  store<u64>(vnet, 0);
  store<u16>(vnet, 0, 8);
}
