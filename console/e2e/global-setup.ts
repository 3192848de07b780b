import { startMock, startProgram } from './system';

/** Starts what is tested, unless it runs already, and returns how to stop it. */
export default async function setup(): Promise<(() => Promise<void>) | undefined> {
  if (process.env.PARAPET_URL) return undefined;
  const program = process.env.PARAPET_BIN;
  const { system, stop } = program ? await startProgram(program) : await startMock();
  Object.assign(process.env, system);
  return stop;
}
