import { AF_INET, NO_MAC } from '../../api/codec.js';
import { ControlError } from '../../api/errors.js';
import { addressOf, formatAddress } from '../../api/ipv4.js';
import {
  IP4_ROUTE_ADD,
  IP4_ROUTE_DEL,
  IP4_ROUTE_LIST,
  IP6_ROUTE_LIST,
  NEXTHOP_GATEWAY,
  NEXTHOP_LINK,
  NEXTHOP_LOCAL,
  NEXTHOP_ORIGIN_INTERNAL,
  NEXTHOP_STATES,
  NEXTHOP_TYPE_L3,
  ROUTE_ORIGIN_LINK,
  ROUTE_ORIGIN_STATIC,
  type Route,
} from '../../api/route.js';
import { type Handler, plainHandler, streamHandler } from '../api-handler.js';
import type { Gateway } from '../gateway.js';
import { type IfaceAddress, type Network, networkOf, resolve, VRF_ID } from '../network.js';
import { unlessMissing } from './missing.js';

/** Returns the handlers of the IP4_ROUTE_* messages, and of IP6_ROUTE_LIST, which is always empty. */
export function routeHandlers(gateway: Gateway): Handler[] {
  return [
    plainHandler(IP4_ROUTE_ADD, (request) => {
      checkVrf(request.vrfId);
      if (request.nexthopId !== 0)
        throw new ControlError(
          'ENOTSUP',
          `next hop id ${request.nexthopId}: only via is supported`,
        );
      const { addr, prefixLength } = request.dest;
      const route = { network: addressOf(addr), prefixLength, via: addressOf(request.via) };
      return gateway.addRoute(route, request.existOk);
    }),
    plainHandler(IP4_ROUTE_DEL, ({ vrfId, dest, missingOk }) => {
      checkVrf(vrfId);
      const deletion = gateway.deleteRoute(addressOf(dest.addr), dest.prefixLength);
      return unlessMissing(missingOk, deletion);
    }),
    streamHandler(IP4_ROUTE_LIST, ({ vrfId, max }) => {
      if (vrfId !== 0 && vrfId !== VRF_ID) return [];
      const routes = listRoutes(gateway.network);
      return max === 0 ? routes : routes.slice(0, max);
    }),
    streamHandler(IP6_ROUTE_LIST, () => []),
  ];
}

function checkVrf(id: number): void {
  if (id !== 0 && id !== VRF_ID) throw new ControlError('ENODEV', `there is no vrf with id ${id}`);
}

function listRoutes(network: Network): Route[] {
  const connected = network.addresses.map((address) => {
    const dest = { addr: formatAddress(networkOf(address)), prefixLength: address.prefixLength };
    return route(dest, ROUTE_ORIGIN_LINK, address, address.addr, NEXTHOP_LOCAL | NEXTHOP_LINK);
  });
  const fixed = network.routes.flatMap(({ network: net, prefixLength, via }) => {
    const hop = resolve(network, via);
    const dest = { addr: formatAddress(net), prefixLength };
    return hop === undefined ? [] : [route(dest, ROUTE_ORIGIN_STATIC, hop, via, NEXTHOP_GATEWAY)];
  });
  return [...connected, ...fixed];
}

function route(
  dest: Route['dest'],
  origin: number,
  hop: IfaceAddress,
  via: number,
  flags: number,
): Route {
  return {
    vrfId: VRF_ID,
    dest,
    origin,
    via: formatAddress(via),
    nexthop: {
      type: NEXTHOP_TYPE_L3,
      origin: NEXTHOP_ORIGIN_INTERNAL,
      ifaceId: hop.ifaceId,
      vrfId: VRF_ID,
      id: 0,
      state: NEXTHOP_STATES.indexOf('reachable'),
      flags,
      af: AF_INET,
      prefixLength: hop.prefixLength,
      mac: NO_MAC,
    },
  };
}
