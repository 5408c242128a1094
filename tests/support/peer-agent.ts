// The process that acts for a host of a test inside the host's network namespace: one JSON request
// {id, name, args} per line of standard input, one answer {id, result} or {id, error} per line of
// standard output, in the order in which they are done. It ends with its input.
import { createInterface } from 'node:readline';
import { OPERATIONS } from './peer-operations.js';

interface Request {
  readonly id: number;
  readonly name: keyof typeof OPERATIONS;
  readonly args: readonly unknown[];
}

for await (const line of createInterface({ input: process.stdin })) void answer(line);
process.exit(0);

/** Never rejects: whatever goes wrong becomes the answer. */
async function answer(line: string): Promise<void> {
  // Only Peer writes here, and its call() is typed by OPERATIONS.
  const { id, name, args } = JSON.parse(line) as Request;
  const operation = OPERATIONS[name] as (...args: readonly unknown[]) => Promise<unknown>;
  try {
    reply({ id, result: (await operation(...args)) ?? null });
  } catch (error) {
    reply({ id, error: error instanceof Error ? error.message : String(error) });
  }
}

function reply(message: object): void {
  process.stdout.write(`${JSON.stringify(message)}\n`);
}
