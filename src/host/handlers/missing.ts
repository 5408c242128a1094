import { ControlError } from '../../api/errors.js';

/** Awaits a deletion; that there was nothing to delete is no failure when `missingOk`. */
export async function unlessMissing(missingOk: boolean, deletion: Promise<void>): Promise<void> {
  try {
    await deletion;
  } catch (cause) {
    const isMissing = cause instanceof ControlError && cause.code === 'ENOENT';
    if (!(missingOk && isMissing)) throw cause;
  }
}
