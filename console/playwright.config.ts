import { defineConfig } from '@playwright/test';

// The system under test is e2e/global-setup.ts's business: one that runs already (PARAPET_URL), a program (PARAPET_BIN),
// or the mock of dev/.
export default defineConfig({
  testDir: 'e2e',
  globalSetup: './e2e/global-setup.ts',
  outputDir: 'test-results',
  workers: 1,
  forbidOnly: Boolean(process.env.CI),
  retries: 0,
  timeout: 180_000,
  // The first data of a system that has just started may take this long to come.
  expect: { timeout: 60_000 },
  reporter: [['list']],
  use: { actionTimeout: 30_000, baseURL: process.env.PARAPET_URL, viewport: { width: 1440, height: 900 }, trace: 'retain-on-failure', screenshot: 'only-on-failure', locale: 'en-GB' },
});
