/**
 * Returns a shortest list for which `isBad` still holds: no item of it can be left out.
 * `isBad(items)` must hold.
 */
export async function shrink<T>(
  items: readonly T[],
  isBad: (items: readonly T[]) => Promise<boolean>,
): Promise<readonly T[]> {
  let shortest = items;
  for (let at = items.length - 1; at >= 0; at--) {
    const without = shortest.toSpliced(at, 1);
    if (await isBad(without)) shortest = without;
  }
  return shortest;
}
