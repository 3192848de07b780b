import { expect, fillIn, open, test } from './test';

test('a wrong password is refused, the right one leads to the page that was asked for', async ({ page }) => {
  await page.goto('/logs?q=needle&from=now-1h');
  await fillIn(page, 'not the password');
  await expect(page.getByRole('alert')).toBeVisible();
  await expect(page.getByLabel('Password')).toHaveValue('');

  await fillIn(page, process.env.PARAPET_PASSWORD ?? '');
  await expect(page.getByRole('heading', { name: 'Logs', exact: true })).toBeVisible();
  await expect(page).toHaveURL(/\/logs\?q=needle&from=now-1h$/);
  await expect(page.getByLabel('Search')).toHaveValue('needle');
});

test.describe(() => {
  test.use({ expectedErrors: [/401/] });

  test('a session that has ended asks again, and goes on where it was', async ({ page, context }) => {
    await open(page, '/traces?from=now-1h&refresh=5');
    await context.clearCookies();
    // The next refresh by itself finds out.
    await expect(page.getByLabel('Password')).toBeVisible();
    await fillIn(page, process.env.PARAPET_PASSWORD ?? '');
    await expect(page.getByRole('heading', { name: 'Traces', exact: true })).toBeVisible();
    await expect(page).toHaveURL(/\/traces\?from=now-1h&refresh=5$/);
  });
});

test('signing out ends the session', async ({ page }) => {
  await open(page, '/overview');
  await page.getByRole('button', { name: 'Sign out' }).click();
  await expect(page.getByLabel('Password')).toBeVisible();
  await page.reload();
  await expect(page.getByLabel('Password')).toBeVisible();
});
