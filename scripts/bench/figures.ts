/** What is measured, by name. */
export interface Figure {
  /** In words, for the table. */
  readonly title: string;
  readonly unit: string;
  /** Decimals worth printing. */
  readonly digits: number;
}

export const FIGURES = {
  'tcp-1': { title: 'TCP, 1 stream', unit: 'Gbit/s', digits: 2 },
  'tcp-4': { title: 'TCP, 4 streams', unit: 'Gbit/s', digits: 2 },
  'tcp-4-reverse': { title: 'TCP, 4 streams inwards', unit: 'Gbit/s', digits: 2 },
  'cpu-per-gb': { title: "router's CPU, TCP 1 stream", unit: 's/GB', digits: 3 },
  'udp-64': { title: 'UDP, 64-byte packets', unit: 'kpps', digits: 0 },
  'cpu-per-packet': { title: "router's CPU, 64-byte packets", unit: 'us', digits: 2 },
  'loss-at-0.8': { title: 'loss at 0.8 of its own peak', unit: '%', digits: 3 },
  'udp-1400': { title: 'UDP, 1400-byte packets', unit: 'kpps', digits: 0 },
  ping: { title: 'round trip, ping -f', unit: 'us', digits: 1 },
  connections: { title: 'new TCP connections', unit: '1/s', digits: 0 },
  'loaded-rtt-50': { title: 'round trip beside TCP, median', unit: 'us', digits: 0 },
  'loaded-rtt-99': { title: 'round trip beside TCP, 99 %', unit: 'us', digits: 0 },
} as const satisfies Record<string, Figure>;

export type FigureName = keyof typeof FIGURES;

/** What a trial found; a figure that this machine or router does not have is left out. */
export type Found = Partial<Record<FigureName, number>>;
