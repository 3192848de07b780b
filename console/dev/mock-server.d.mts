export interface Mock {
  url: string;
  user: string;
  password: string;
  /** SHA-256 of its certificate's public key, base64. */
  spki: string;
  close: () => void;
}
export function start(options?: { port?: number; logFile?: string }): Promise<Mock>;
