import {
  IP4_ADDR_ADD,
  IP4_ADDR_DEL,
  IP4_ADDR_LIST,
  IP6_ADDR_LIST,
  type IfaceAddress as WireAddress,
} from '../../api/address.js';
import { addressOf, formatAddress } from '../../api/ipv4.js';
import { type Handler, plainHandler, streamHandler } from '../api-handler.js';
import type { Gateway } from '../gateway.js';
import { type IfaceAddress, VRF_ID } from '../network.js';
import { unlessMissing } from './missing.js';

/** Returns the handlers of the IP4_ADDR_* messages, and of IP6_ADDR_LIST, which is always empty. */
export function addressHandlers(gateway: Gateway): Handler[] {
  return [
    plainHandler(IP4_ADDR_ADD, (request) =>
      gateway.addAddress(ifaceAddress(request), request.existOk),
    ),
    plainHandler(IP4_ADDR_DEL, (request) =>
      unlessMissing(request.missingOk, gateway.deleteAddress(ifaceAddress(request))),
    ),
    streamHandler(IP4_ADDR_LIST, function* ({ vrfId, ifaceId }) {
      if (vrfId !== 0 && vrfId !== VRF_ID) return;
      for (const address of gateway.network.addresses) {
        if (ifaceId !== 0 && ifaceId !== address.ifaceId) continue;
        yield { ...address, addr: formatAddress(address.addr) };
      }
    }),
    streamHandler(IP6_ADDR_LIST, () => []),
  ];
}

function ifaceAddress({ ifaceId, addr, prefixLength }: WireAddress): IfaceAddress {
  return { ifaceId, addr: addressOf(addr), prefixLength };
}
