import { randomUUID } from 'node:crypto';
import { expect, open, test } from './test';

test('the overview shows what comes in, where from, and what is kept', async ({ page }) => {
  await open(page, '/');
  for (const title of ['API traffic', 'Log lines', 'Sources', 'Losses by reason', 'Receivers', 'Certificates', 'Storage']) {
    await expect(page.getByRole('region', { name: title, exact: true })).toBeVisible();
  }
  await expect(page.getByRole('link', { name: /^Logs.*\/s/ })).toBeVisible();
  await expect(page.getByText('Demo', { exact: false }).first()).toBeVisible();
});

test('a metric is found by name and drawn', async ({ page }) => {
  await open(page, '/explore');
  const metric = page.getByRole('list', { name: 'Metrics' }).getByRole('button').first();
  await metric.click();
  await expect(page).toHaveURL(/name=/);
  await expect(page.getByRole('img', { name: /over time$/ })).toBeVisible();
});

test.describe(() => {
  test.use({ expectedErrors: [/40\d.*\/api\/v1\/sql/] });

  test('a query is answered, and one that would write is refused with the reason', async ({ page }) => {
    await open(page, '/sql');
    await page.getByLabel('Query').fill('SELECT count(*) AS lines FROM logs');
    await page.getByLabel('Query').press('Control+Enter');
    await expect(page.getByRole('list', { name: 'Rows of the result' }).getByText(/[1-9]/).first()).toBeVisible();

    await page.getByLabel('Query').fill('DROP TABLE logs');
    await page.getByRole('button', { name: 'Run' }).click();
    await expect(page.getByRole('alert')).toBeVisible();
  });
});

test('a token’s secret is shown once, and it can be revoked', async ({ page }) => {
  const name = `e2e ${randomUUID().slice(0, 8)}`;
  await open(page, '/settings/tokens');
  await page.getByRole('button', { name: 'New token' }).click();
  await page.getByRole('textbox', { name: 'Name' }).fill(name);
  await page.getByRole('button', { name: 'Create' }).click();
  await expect(page.getByText(/^ppt_\w+_\w+/)).toBeVisible();
  await page.getByRole('button', { name: 'Done' }).click();
  await expect(page.getByText(/^ppt_/)).toHaveCount(0);

  const row = page.getByRole('row').filter({ hasText: name });
  await row.getByRole('button', { name: 'Revoke' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Revoke' }).click();
  await expect(row).toHaveCount(0);
});

test.describe(() => {
  test.use({ expectedErrors: [/500.*\/traffic\/overview/] });

  test('what fails in one panel leaves the others alone', async ({ page }) => {
    await page.route('**/api/v1/traffic/overview*', (route) => route.fulfill({ status: 500, contentType: 'application/problem+json', body: JSON.stringify({ title: 'Broken on purpose', status: 500, detail: 'for this test' }) }));
    await open(page, '/overview');
    await expect(page.getByRole('region', { name: 'API traffic' }).getByText('Broken on purpose')).toBeVisible();
    await expect(page.getByRole('region', { name: 'Storage' }).getByText('Segments', { exact: true })).toBeVisible();
  });
});

test('the keyboard leads everywhere', async ({ page }) => {
  await open(page, '/overview');
  await page.keyboard.press('g');
  await page.keyboard.press('c');
  await expect(page.getByRole('heading', { name: 'Traces', exact: true })).toBeVisible();
  await page.keyboard.press('?');
  await expect(page.getByRole('dialog', { name: 'Keyboard' })).toBeVisible();
  await page.keyboard.press('Escape');
  await expect(page.getByRole('dialog', { name: 'Keyboard' })).toHaveCount(0);

  const first = page.getByRole('list', { name: 'Traces, newest first' }).getByRole('link').first();
  await expect(first).toBeVisible();
  await page.keyboard.press('j');
  await expect(first).toBeFocused();
  await page.keyboard.press('Enter');
  await expect(page).toHaveURL(/\/traces\/[0-9a-f]{32}/);
});

test('a chosen theme stays', async ({ page }) => {
  await page.emulateMedia({ colorScheme: 'light' });
  await open(page, '/overview');
  const theme = page.getByRole('button', { name: /^Theme/ });
  await theme.click();
  await theme.click();
  await expect(page.locator('html')).toHaveAttribute('data-theme', 'dark');
  await page.reload();
  await expect(page.locator('html')).toHaveAttribute('data-theme', 'dark');
  await expect(theme).toHaveText(/dark/);
});
