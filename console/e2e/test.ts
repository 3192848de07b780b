import { expect, test as base, type Page } from '@playwright/test';

interface Fixtures {
  /** Console errors that a test causes on purpose. */
  expectedErrors: RegExp[];
  /** Fails the test for console errors, and for any request that leaves the origin. */
  watched: void;
}

// Known in workers only: the process that lists the tests loads this before anything is started.
const ORIGIN = process.env.PARAPET_URL && new URL(process.env.PARAPET_URL).origin;
const CHROMIUM_ARGS = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'];

export const test = base.extend<Fixtures>({
  launchOptions: [
    // eslint-disable-next-line no-empty-pattern -- Playwright reads a fixture's needs from the pattern
    ({}, use) => use({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: [...CHROMIUM_ARGS, `--ignore-certificate-errors-spki-list=${process.env.PARAPET_SPKI ?? ''}`] }),
    { scope: 'worker' },
  ],
  expectedErrors: [[], { option: true }],
  watched: [
    async ({ context, expectedErrors }, use) => {
      const wrong: string[] = [];
      context.on('console', (message) => {
        if (message.type() !== 'error') return;
        const text = `${message.text()} (${message.location().url})`;
        // Asking who is signed in is answered by 401 when nobody is, which Chromium reports.
        if (/401.*\/api\/v1\/session\)$/.test(text) || expectedErrors.some((expected) => expected.test(text))) return;
        wrong.push(`console: ${text}`);
      });
      context.on('weberror', (error) => wrong.push(`thrown: ${error.error().message}`));
      context.on('request', (request) => {
        if (new URL(request.url()).origin !== ORIGIN) wrong.push(`request to ${request.url()}`);
      });
      await use();
      expect(wrong).toEqual([]);
    },
    { auto: true },
  ],
});

export { expect };

/** Opens `path`, and signs in where it asks to. */
export async function open(page: Page, path: string): Promise<void> {
  await page.goto(path);
  await fillIn(page, process.env.PARAPET_PASSWORD ?? '');
  await expect(page.getByRole('navigation', { name: 'Pages' })).toBeVisible();
}

export async function fillIn(page: Page, password: string): Promise<void> {
  await page.getByLabel('User name').fill(process.env.PARAPET_USER ?? '');
  await page.getByLabel('Password').fill(password);
  await page.getByRole('button', { name: 'Sign in' }).click();
}
