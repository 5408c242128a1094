import {
  IFACE_ALLMULTI,
  IFACE_MODES,
  IFACE_PROMISC,
  IFACE_PROMISC_FIXED,
  IFACE_RUNNING,
  IFACE_SNAT_DYNAMIC,
  IFACE_SNAT_STATIC,
  IFACE_TRACE,
  IFACE_TYPE_VRF,
  IFACE_TYPES,
  IFACE_UP,
  type Iface,
  SPEED_UNKNOWN,
} from '../api/iface.js';
import type { IfaceNames } from './iface-names.js';
import type { Field } from './output.js';

/** Type of a list request that asks for all of them. */
export const IFACE_TYPE_ALL = 0;

/** A TUN device has no address of the link layer. */
const NO_MAC = '00:00:00:00:00:00';

/** Returns the columns of the list of interfaces. */
export function ifaceColumns(names: IfaceNames): readonly Field<Iface>[] {
  return [
    { header: 'NAME', align: 'left', value: (iface) => iface.name },
    { header: 'ID', align: 'right', value: (iface) => iface.id },
    { header: 'FLAGS', align: 'left', value: flagsText },
    { header: 'MODE', align: 'left', value: modeText },
    { header: 'DOMAIN', align: 'left', value: (iface) => names.get(vrfOf(iface)) },
    { header: 'TYPE', align: 'left', value: typeText },
    { header: 'INFO', align: 'left', value: infoText },
  ];
}

/** Returns all that is known of an interface; what is not known is left out. */
export function describeIface(iface: Iface, names: IfaceNames): Record<string, string | number> {
  const { info } = iface;
  const isPort = info?.kind === 'port';
  return {
    name: iface.name,
    type: typeText(iface),
    id: iface.id,
    flags: flagsText(iface),
    mode: modeText(iface),
    vrf: names.get(vrfOf(iface)),
    mtu: iface.mtu,
    ...(iface.speedMbps !== SPEED_UNKNOWN && { speed: iface.speedMbps }),
    ...(iface.description !== '' && { description: iface.description }),
    ...(isPort && info.devargs !== '' && { devargs: info.devargs }),
    ...(isPort && info.driver !== '' && { driver: info.driver }),
    ...(isPort && info.mac !== NO_MAC && { mac: info.mac }),
    ...(isPort && { n_rxq: info.rxQueues, n_txq: info.txQueues }),
    ...(isPort && info.rxQueueSize > 0 && { rxq_size: info.rxQueueSize }),
    ...(isPort && info.txQueueSize > 0 && { txq_size: info.txQueueSize }),
  };
}

/** A vrf is its own. */
function vrfOf(iface: Iface): number {
  return iface.type === IFACE_TYPE_VRF ? iface.id : iface.vrfId;
}

function flagsText({ flags, state }: Iface): string {
  const words: readonly (readonly [boolean, string])[] = [
    [(flags & IFACE_UP) !== 0, 'up'],
    [(flags & IFACE_UP) === 0, 'down'],
    [(state & IFACE_RUNNING) !== 0, 'running'],
    [(flags & IFACE_PROMISC) !== 0 || (state & IFACE_PROMISC_FIXED) !== 0, 'promisc'],
    [(state & IFACE_ALLMULTI) !== 0, 'allmulti'],
    [(flags & IFACE_TRACE) !== 0, 'trace'],
    [(flags & (IFACE_SNAT_STATIC | IFACE_SNAT_DYNAMIC)) !== 0, 'snat'],
  ];
  return words
    .filter(([isSet]) => isSet)
    .map(([, word]) => word)
    .join(' ');
}

function modeText({ mode }: Iface): string {
  return IFACE_MODES[mode] ?? String(mode);
}

function typeText({ type }: Iface): string {
  return IFACE_TYPES[type] ?? String(type);
}

function infoText({ info }: Iface): string {
  if (info?.kind !== 'port') return '';
  return info.mac === NO_MAC
    ? `devargs=${info.devargs}`
    : `devargs=${info.devargs} mac=${info.mac}`;
}
