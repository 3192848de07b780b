import { spawn, type ChildProcess } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { appendFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as after } from 'node:timers/promises';
import { connect } from 'node:tls';

/** What a browser test needs to know of the system under test; handed over in the environment. */
export interface System {
  PARAPET_URL: string;
  PARAPET_USER: string;
  PARAPET_PASSWORD: string;
  /** A container's log that is followed. */
  PARAPET_LOG_FILE: string;
  /** SHA-256 of the server's public key, base64: what Chromium trusts instead of any certificate. */
  PARAPET_SPKI: string;
}

export interface Started {
  system: System;
  stop: () => Promise<void>;
}

interface Ready {
  console_url: string;
  ca_file: string;
  username: string | null;
  password: string | null;
}

const READY_WITHIN_MS = 120_000;
const LOOK_EVERY_MS = 50;

/** Runs `program up --demo` in a folder of its own. */
export async function startProgram(program: string): Promise<Started> {
  const dir = mkdtempSync(join(tmpdir(), 'parapet-e2e-'));
  const pods = join(dir, 'pods');
  const logFile = join(pods, 'e2e_writer-0_5c0b4a52-7a5e-4c29-9d0c-1f1e7d6a0001', 'writer', '0.log');
  mkdirSync(dirname(logFile), { recursive: true });
  writeFileSync(logFile, '');
  const readyFile = join(dir, 'ready.json');
  const any = '127.0.0.1:0';
  const child = spawn(
    program,
    ['up', '--demo', '--no-pod-logs', '--data', join(dir, 'data'), '--logs', join(pods, '*', '*', '*.log'), '--console-listen', any, '--otlp-grpc-listen', any, '--otlp-http-listen', any, '--ready-file', readyFile],
    { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, NO_COLOR: '1' } },
  );
  let said = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8');
    stream.on('data', (text: string) => (said = (said + text).slice(-20_000)));
  }
  const stop = async (): Promise<void> => {
    await end(child);
    rmSync(dir, { recursive: true, force: true });
  };
  try {
    const ready = await readyOf(child, readyFile, () => said);
    if (!ready.username || !ready.password) throw new Error('the ready file names no first admin');
    const url = ready.console_url;
    const spki = await spkiOf(url, readFileSync(ready.ca_file, 'utf8'));
    return { stop, system: { PARAPET_URL: url, PARAPET_USER: ready.username, PARAPET_PASSWORD: ready.password, PARAPET_LOG_FILE: logFile, PARAPET_SPKI: spki } };
  } catch (error) {
    await stop();
    throw error;
  }
}

export async function startMock(): Promise<Started> {
  const { start } = await import('../dev/mock-server.mjs');
  const dir = mkdtempSync(join(tmpdir(), 'console-e2e-'));
  const logFile = join(dir, '0.log');
  writeFileSync(logFile, '');
  const mock = await start({ logFile });
  return {
    system: { PARAPET_URL: mock.url, PARAPET_USER: mock.user, PARAPET_PASSWORD: mock.password, PARAPET_LOG_FILE: logFile, PARAPET_SPKI: mock.spki },
    stop: () => {
      mock.close();
      rmSync(dir, { recursive: true, force: true });
      return Promise.resolve();
    },
  };
}

/** Writes one line of a container's log, as the container runtime would: time, stream, F for full, the line. */
export function writeLogLine(body: object): void {
  const file = process.env.PARAPET_LOG_FILE;
  if (!file) throw new Error('PARAPET_LOG_FILE names no file');
  appendFileSync(file, `${new Date().toISOString()} stdout F ${JSON.stringify(body)}\n`);
}

async function readyOf(child: ChildProcess, file: string, said: () => string): Promise<Ready> {
  const deadline = Date.now() + READY_WITHIN_MS;
  while (!existsSync(file)) {
    if (child.exitCode !== null || child.signalCode !== null) throw new Error(`it ended before it was ready:\n${said()}`);
    if (Date.now() > deadline) throw new Error(`it was not ready in time:\n${said()}`);
    await after(LOOK_EVERY_MS);
  }
  return JSON.parse(readFileSync(file, 'utf8')) as Ready;
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill('SIGTERM');
  await ended;
}

/** The public key of whoever answers at `url`, once its certificate has proved to be of `ca`. */
async function spkiOf(url: string, ca: string): Promise<string> {
  const { hostname, port } = new URL(url);
  const socket = connect({ host: hostname, port: Number(port), ca, servername: hostname });
  await once(socket, 'secureConnect');
  const certificate = socket.getPeerX509Certificate();
  socket.destroy();
  if (!certificate) throw new Error('no certificate was shown');
  return createHash('sha256').update(certificate.publicKey.export({ type: 'spki', format: 'der' })).digest('base64');
}
