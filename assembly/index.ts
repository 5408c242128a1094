// Everything the host may call. Called by a worker: burst, run. By the control plane: the rest.
import { LAYOUT_VERSION } from './layout';

/** Returns the layout that this module was built from. */
export function layoutVersion(): u32 {
  return LAYOUT_VERSION;
}
