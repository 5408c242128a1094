import { addressOf, formatAddress } from '../../api/ipv4.js';
import { SNAT44_ADD, SNAT44_DEL, SNAT44_LIST, type SnatPolicy } from '../../api/snat44.js';
import { type Handler, plainHandler, streamHandler } from '../api-handler.js';
import type { Gateway, PolicyRequest } from '../gateway.js';
import { unlessMissing } from './missing.js';

/** Returns the handlers of the SNAT44_* messages. */
export function snat44Handlers(gateway: Gateway): Handler[] {
  return [
    plainHandler(SNAT44_ADD, (request) =>
      gateway.addPolicy(policyRequest(request), request.existOk),
    ),
    plainHandler(SNAT44_DEL, (request) =>
      unlessMissing(request.missingOk, gateway.deletePolicy(policyRequest(request))),
    ),
    streamHandler(SNAT44_LIST, function* () {
      for (const { ifaceId, network, prefixLength, replace } of gateway.network.policies)
        yield {
          ifaceId,
          subnet: { addr: formatAddress(network), prefixLength },
          replace: formatAddress(replace),
        };
    }),
  ];
}

function policyRequest({ ifaceId, subnet, replace }: SnatPolicy): PolicyRequest {
  return {
    ifaceId,
    network: addressOf(subnet.addr),
    prefixLength: subnet.prefixLength,
    replace: addressOf(replace),
  };
}
