import { NO_MAC } from '../../api/codec.js';
import { ControlError } from '../../api/errors.js';
import {
  IFACE_ADD,
  IFACE_DEL,
  IFACE_GET,
  IFACE_LIST,
  IFACE_RUNNING,
  IFACE_SNAT_DYNAMIC,
  IFACE_TYPE_PORT,
  IFACE_TYPE_VRF,
  IFACE_UP,
  SPEED_UNKNOWN,
  type Iface as WireIface,
} from '../../api/iface.js';
import { type Handler, plainHandler, streamHandler } from '../api-handler.js';
import type { Gateway } from '../gateway.js';
import { type Iface, VRF_ID } from '../network.js';

const VRF_NAME = 'main';

/** Returns the handlers of the IFACE_* messages but for the counters. */
export function ifaceHandlers(gateway: Gateway, isGone: (id: number) => boolean): Handler[] {
  const list = () => [
    vrf(),
    ...gateway.network.ifaces.map((iface) => {
      const isTranslating = gateway.network.policies.some(({ ifaceId }) => ifaceId === iface.id);
      return port(iface, isTranslating, !isGone(iface.id));
    }),
  ];
  return [
    plainHandler(IFACE_ADD, ({ type, name, mtu, flags, info }) => {
      if (type !== IFACE_TYPE_PORT || info?.kind !== 'port')
        throw new ControlError('ENOTSUP', `interface type ${type}: only ports can be added`);
      const isUp = (flags & IFACE_UP) !== 0;
      return gateway.addIface({ name, mtu, isUp, devargs: info.devargs });
    }),
    plainHandler(IFACE_DEL, (id) => gateway.deleteIface(id)),
    plainHandler(IFACE_GET, ({ id, name }) => {
      const found = list().find((iface) => (id === 0 ? iface.name === name : iface.id === id));
      if (found !== undefined) return found;
      const what = id === 0 ? `named ${name}` : `with id ${id}`;
      throw new ControlError('ENODEV', `there is no interface ${what}`);
    }),
    streamHandler(IFACE_LIST, (type) =>
      list().filter((iface) => type === 0 || iface.type === type),
    ),
  ];
}

const COMMON = {
  mode: 0,
  vrfId: VRF_ID,
  domainId: 0,
  speedMbps: SPEED_UNKNOWN,
  description: '',
} as const;

function vrf(): WireIface {
  const none = { maxRoutes: 0, tbl8Count: 0 };
  return {
    ...COMMON,
    id: VRF_ID,
    type: IFACE_TYPE_VRF,
    flags: IFACE_UP,
    state: IFACE_RUNNING,
    mtu: 0,
    name: VRF_NAME,
    info: { kind: 'vrf', ip4: none, ip6: none },
  };
}

function port(
  { id, name, isUp, devargs, device }: Iface,
  isTranslating: boolean,
  isRunning: boolean,
): WireIface {
  return {
    ...COMMON,
    id,
    type: IFACE_TYPE_PORT,
    flags: (isUp ? IFACE_UP : 0) | (isTranslating ? IFACE_SNAT_DYNAMIC : 0),
    state: isUp && isRunning ? IFACE_RUNNING : 0,
    mtu: device.mtu,
    name,
    info: {
      kind: 'port',
      rxQueues: device.queues.length,
      txQueues: device.queues.length,
      rxQueueSize: 0,
      txQueueSize: 0,
      mac: NO_MAC,
      devargs,
      driver: device.driver,
    },
  };
}
