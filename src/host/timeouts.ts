import {
  PROTO_TCP,
  STATE_CLOSE_WAIT,
  STATE_CLOSED,
  STATE_CLOSING,
  STATE_ESTABLISHED,
  STATE_FIN_RECV,
  STATE_FIN_SENT,
  STATE_FIN_WAIT,
  STATE_LAST_ACK,
  STATE_TIME_WAIT,
} from '../../assembly/layout.js';
import type { ConntrackConfig } from '../api/conntrack.js';

/** A setting that is a time-out. */
type TimeoutSetting = Extract<keyof ConntrackConfig, `${string}TimeoutSec`>;

/** Names of the time-outs in `conntrack config`. */
export const TIMEOUT_NAMES: Readonly<Record<TimeoutSetting, string>> = {
  closedTimeoutSec: 'closed-timeout',
  newTimeoutSec: 'new-timeout',
  establishedUdpTimeoutSec: 'established-udp-timeout',
  establishedTcpTimeoutSec: 'established-tcp-timeout',
  halfCloseTimeoutSec: 'half-close-timeout',
  timeWaitTimeoutSec: 'time-wait-timeout',
};

/** What differs from `new`. */
const TCP_SETTINGS: ReadonlyMap<number, TimeoutSetting> = new Map([
  [STATE_CLOSED, 'closedTimeoutSec'],
  [STATE_ESTABLISHED, 'establishedTcpTimeoutSec'],
  [STATE_FIN_SENT, 'halfCloseTimeoutSec'],
  [STATE_FIN_RECV, 'halfCloseTimeoutSec'],
  [STATE_CLOSE_WAIT, 'halfCloseTimeoutSec'],
  [STATE_FIN_WAIT, 'halfCloseTimeoutSec'],
  [STATE_CLOSING, 'halfCloseTimeoutSec'],
  [STATE_LAST_ACK, 'halfCloseTimeoutSec'],
  [STATE_TIME_WAIT, 'timeWaitTimeoutSec'],
]);

/** Returns which time-out a conn of `proto` lives on in `state`. RFC 5382, RFC 4787, RFC 5508. */
export function timeoutSetting(proto: number, state: number): TimeoutSetting {
  if (proto === PROTO_TCP) return TCP_SETTINGS.get(state) ?? 'newTimeoutSec';
  return state === STATE_ESTABLISHED ? 'establishedUdpTimeoutSec' : 'newTimeoutSec';
}
