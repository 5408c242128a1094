/** A column: its header, and the side at which its cells lie. */
export interface Column {
  readonly header: string;
  readonly align: 'left' | 'right';
}

/** The cells of a line, one for each column. */
export type Row = readonly string[];

const SEPARATOR = '  ';

/**
 * Returns the lines of a table: two spaces between columns, each as wide as its widest cell or its
 * header, and no white space at the end of a line. A table without rows has no lines at all.
 *
 * `rows` is walked twice - for the widths, then for the lines -, so that a long table need not be held
 * in cells.
 */
export function* tableLines(
  columns: readonly Column[],
  rows: () => Iterable<Row>,
): Generator<string> {
  const widths = columns.map((column) => column.header.length);
  let isEmpty = true;
  for (const row of rows()) {
    isEmpty = false;
    widths.forEach((width, at) => {
      widths[at] = Math.max(width, row[at]?.length ?? 0);
    });
  }
  if (isEmpty) return;
  const line = (row: Row): string =>
    columns
      .map(({ align }, at) => pad(row[at] ?? '', widths[at] ?? 0, align))
      .join(SEPARATOR)
      .trimEnd();
  yield line(columns.map((column) => column.header));
  for (const row of rows()) yield line(row);
}

function pad(cell: string, width: number, align: Column['align']): string {
  return align === 'left' ? cell.padEnd(width) : cell.padStart(width);
}
