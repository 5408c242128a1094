// Snat policies as the snapshot holds them: those of an interface stand together, the longest
// prefix first.
import {
  IFACE_F_NAT,
  IFACE_FLAGS,
  IFACE_POLICY_COUNT,
  IFACE_POLICY_START,
  POLICY_MASK,
  POLICY_NET,
  POLICY_POOL_ICMP,
  POLICY_POOL_TCP,
  POLICY_POOL_UDP,
  POLICY_SIZE,
  PROTO_TCP,
  PROTO_UDP,
  SNAP_POLICIES,
} from './layout';

/** Returns whether an interface has policies. */
export function ifaceTranslates(iface: usize): bool {
  return (load<u32>(iface, IFACE_FLAGS) & IFACE_F_NAT) !== 0;
}

/** Returns the policy of the record `iface` that covers `src` (host order), 0 for none. */
export function policyFor(snapshot: usize, iface: usize, src: u32): usize {
  if (!ifaceTranslates(iface)) return 0;
  const start = <usize>load<u32>(iface, IFACE_POLICY_START) * <usize>POLICY_SIZE;
  let policy = snapshot + SNAP_POLICIES + start;
  const end = policy + <usize>load<u32>(iface, IFACE_POLICY_COUNT) * <usize>POLICY_SIZE;
  for (; policy < end; policy += POLICY_SIZE)
    if ((src & load<u32>(policy, POLICY_MASK)) === load<u32>(policy, POLICY_NET)) return policy;
  return 0;
}

/** Returns the tran pool of a policy for TCP, UDP or ICMP. */
export function policyPool(policy: usize, proto: u32): u32 {
  if (proto === PROTO_TCP) return load<u16>(policy, POLICY_POOL_TCP);
  if (proto === PROTO_UDP) return load<u16>(policy, POLICY_POOL_UDP);
  return load<u16>(policy, POLICY_POOL_ICMP);
}
