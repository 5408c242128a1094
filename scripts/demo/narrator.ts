/** Prints a line for the reader. */
export function note(text: string): void {
  process.stdout.write(`${text}\n`);
}

/** Prints the heading of the next step. */
export function heading(text: string): void {
  note(`\n== ${text}`);
}

/** Prints a command as it was typed and what it printed, indented. */
export function transcript(command: string, output: string): void {
  note(`   $ ${command}`);
  if (output !== '') note(output.trimEnd().replace(/^/gm, '   '));
}

/** Prints what was checked, or ends the demonstration when it is not so. */
export function check(what: string, isTrue: boolean): void {
  if (!isTrue) throw new Error(`this did not hold: ${what}`);
  note(`   ok: ${what}`);
}
