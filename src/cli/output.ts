import { type Column, type Row, tableLines } from '../api/table.js';

/** Writes text; settled when the receiver took it, so that a slow one is waited for. */
export type Write = (text: string) => Promise<void>;

/** A column of a list whose items are cells of a table and members of JSON objects alike. */
export interface Field<T> extends Column {
  value(item: T): string | number | bigint;
}

/** Characters that are gathered before a write: a write per line would be a system call per line. */
const CHUNK_CHARS = 65536;

/** What a command prints: text for people, or JSON. */
export class Output {
  readonly isJson: boolean;
  readonly #write: Write;

  constructor(write: Write, isJson: boolean) {
    this.#write = write;
    this.isJson = isJson;
  }

  /** Prints text as it is. */
  async text(text: string): Promise<void> {
    await this.#write(text);
  }

  /** Prints lines. */
  async lines(lines: Iterable<string>): Promise<void> {
    let chunk = '';
    for (const line of lines) {
      chunk += `${line}\n`;
      if (chunk.length < CHUNK_CHARS) continue;
      await this.#write(chunk);
      chunk = '';
    }
    if (chunk !== '') await this.#write(chunk);
  }

  /** Prints a table; `rows` is walked twice. */
  async table(columns: readonly Column[], rows: () => Iterable<Row>): Promise<void> {
    await this.lines(tableLines(columns, rows));
  }

  /** Prints a value as one line of JSON. */
  async json(value: unknown): Promise<void> {
    await this.#write(`${JSON.stringify(value)}\n`);
  }

  /** Prints an array of JSON, which is never held as a whole. */
  async jsonArray(items: Iterable<unknown>): Promise<void> {
    let chunk = '[';
    let separator = '';
    for (const item of items) {
      chunk += `${separator}${JSON.stringify(item)}`;
      separator = ',';
      if (chunk.length < CHUNK_CHARS) continue;
      await this.#write(chunk);
      chunk = '';
    }
    await this.#write(`${chunk}]\n`);
  }

  /** Prints a list: a table, or an array of objects whose keys are the headers in lower case. */
  async list<T>(fields: readonly Field<T>[], items: readonly T[]): Promise<void> {
    if (!this.isJson)
      return this.table(fields, () =>
        items.map((item) => fields.map((field) => String(field.value(item)))),
      );
    return this.jsonArray(items.map((item) => objectOf(fields, item)));
  }

  /** Prints what is known of one item: `key: value` lines, or one object. */
  async item(item: Readonly<Record<string, string | number>>): Promise<void> {
    if (this.isJson) return this.json(item);
    return this.lines(Object.entries(item).map(([key, value]) => `${key}: ${value}`));
  }
}

function objectOf<T>(fields: readonly Field<T>[], item: T): Record<string, string | number> {
  const entries = fields.map((field) => {
    const value = field.value(item);
    // JSON has no other numbers; counters beyond 2^53 lose their last digits there.
    return [field.header.toLowerCase(), typeof value === 'bigint' ? Number(value) : value] as const;
  });
  return Object.fromEntries(entries);
}
