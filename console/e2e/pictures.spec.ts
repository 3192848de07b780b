import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Page } from '@playwright/test';
import { expect, open, test } from './test';

// For the README and docs/pictures; the pages must look finished, so each waits for its data.
const folder = process.env.PARAPET_PICTURES;

const POINTS_OF_RATES = 6;

const PAGES: readonly { name: string; path: string; ready: (page: Page) => Promise<void> }[] = [
  {
    name: 'overview',
    path: '/overview?from=now-5m&refresh=5',
    ready: async (page) => {
      await drawn(page, 2);
      // The rates' lines grow by a point with each refresh.
      const line = page.locator('.sparkline polyline').first();
      await expect.poll(async () => (await line.getAttribute('points'))?.split(' ').length ?? 0).toBeGreaterThanOrEqual(POINTS_OF_RATES);
    },
  },
  { name: 'traffic', path: '/traffic?from=now-5m', ready: (page) => drawn(page, 2) },
  {
    name: 'event',
    path: '/traffic?from=now-5m&q=orders',
    ready: async (page) => {
      await page.getByRole('list', { name: 'API events, newest first' }).getByRole('listitem').filter({ hasText: 'POST' }).nth(1).getByRole('button').click();
      await expect(page.getByRole('dialog', { name: 'API event' }).getByText('Request', { exact: true })).toBeVisible();
    },
  },
  { name: 'logs', path: '/logs?from=now-5m', ready: (page) => drawn(page, 1) },
  { name: 'traces', path: '/traces?from=now-5m', ready: (page) => expect(page.getByRole('list', { name: 'Traces, newest first' }).getByRole('listitem').nth(5)).toBeVisible() },
  {
    name: 'trace',
    path: '/traces?from=now-5m&q=POST%20/orders',
    ready: async (page) => {
      // Of the newest trace the spans may still be on their way.
      const several = page.getByText(/^([2-9]|\d\d+)$/);
      await page.getByRole('list', { name: 'Traces, newest first' }).getByRole('listitem').filter({ has: several }).nth(1).getByRole('link').click();
      await page.getByRole('list', { name: 'Spans of this trace' }).getByRole('listitem').nth(1).getByRole('button').last().click();
      await expect(page.getByRole('complementary', { name: 'Span' })).toBeVisible();
      await expect(page.getByRole('list', { name: 'Log lines of this trace' }).getByRole('listitem').first()).toBeVisible();
    },
  },
  {
    name: 'metrics',
    path: '/explore?from=now-5m&name=http.server.request.duration&group_by=service_name',
    ready: (page) => drawn(page, 1),
  },
  { name: 'posture', path: '/posture', ready: (page) => expect(page.getByTestId('matrix-says')).toContainText('elasticsearch') },
  { name: 'posture-graph', path: '/posture?view=graph', ready: (page) => expect(page.getByRole('button', { name: /^shop\/gateway/ })).toBeVisible() },
  { name: 'findings', path: '/posture?view=findings', ready: (page) => expect(page.getByRole('list', { name: 'Findings, worst first' }).getByRole('listitem').first()).toBeVisible() },
  {
    name: 'sql',
    path: '/sql',
    ready: async (page) => {
      await page.getByRole('button', { name: 'Run' }).click();
      await expect(page.getByRole('list', { name: 'Rows of the result' }).getByRole('listitem').first()).toBeVisible();
    },
  },
];

for (const colorScheme of ['light', 'dark'] as const) {
  test(`every page, ${colorScheme}`, async ({ page }) => {
    await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
    await page.goto('/login');
    await expect(page.getByLabel('Password')).toBeVisible();
    await take(page, `login-${colorScheme}`);
    await open(page, '/overview');
    for (const { name, path, ready } of PAGES) {
      await page.goto(path);
      await ready(page);
      await take(page, `${name}-${colorScheme}`);
    }
  });
}

async function drawn(page: Page, charts: number): Promise<void> {
  await expect(page.locator('.chart canvas')).toHaveCount(charts);
}

async function take(page: Page, name: string): Promise<void> {
  await page.evaluate(() => document.fonts.ready.then(() => undefined));
  await page.mouse.move(0, 0);
  if (!folder) return;
  mkdirSync(folder, { recursive: true });
  await page.screenshot({ path: join(folder, `${name}.png`) });
}
