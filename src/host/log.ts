/** Where the daemon says what happens. One line per call, no line feed in it. */
export interface Log {
  debug(text: string): void;
  info(text: string): void;
  warn(text: string): void;
  error(text: string): void;
}

/** Returns a log that prefixes each line with its level and hands it to `write`. */
export function createLog(write: (line: string) => void, isVerbose: boolean): Log {
  const at = (level: string) => (text: string) => write(`${level} ${text}\n`);
  return {
    debug: isVerbose ? at('debug') : () => {},
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
  };
}
