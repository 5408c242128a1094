/**
 * Returns those of `candidates` that `word` may stand for: itself alone when it is one of them, else
 * all that it is a prefix of.
 */
export function expand(word: string, candidates: readonly string[]): readonly string[] {
  if (candidates.includes(word)) return [word];
  return word === '' ? [] : candidates.filter((candidate) => candidate.startsWith(word));
}

/** Returns the words as a sentence lists alternatives: a, b or c. */
export function alternatives(words: readonly string[]): string {
  const last = words.at(-1) ?? '';
  return words.length < 2 ? last : `${words.slice(0, -1).join(', ')} or ${last}`;
}
