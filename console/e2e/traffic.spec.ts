import { expect, open, test } from './test';

test('traffic is counted, charted, ranked and narrowed by a click', async ({ page }) => {
  await open(page, '/traffic?refresh=5');
  await expect(page.getByTestId('traffic-requests')).toHaveText(/[1-9]/);
  await expect(page.getByRole('img', { name: /Requests over time/ })).toBeVisible();
  await expect(page.getByRole('img', { name: /Latency percentiles/ })).toBeVisible();

  const api = page.getByRole('region', { name: 'APIs' }).getByRole('button').first();
  const name = await api.innerText();
  await api.click();
  await expect(page).toHaveURL((url) => url.searchParams.get('service') === name);
  await expect(page.getByRole('button', { name: 'Remove the filter by API' })).toBeVisible();
  await expect(page.getByRole('list', { name: 'API events, newest first' }).getByRole('listitem').first()).toContainText(name);

  await page.reload();
  await expect(page.getByRole('button', { name: 'Remove the filter by API' })).toBeVisible();
});

test('an operation narrows the whole page', async ({ page }) => {
  await open(page, '/traffic?refresh=5');
  const operations = page.getByRole('region', { name: 'Operations' }).getByRole('button');
  await expect(operations.nth(1)).toBeVisible();
  const name = await operations.nth(1).innerText();
  await operations.nth(1).click();
  await expect(page).toHaveURL((url) => url.searchParams.get('operation') === name);
  await expect(operations).toHaveText([name]);
  const events = page.getByRole('list', { name: 'API events, newest first' }).getByRole('listitem');
  await expect(events.first()).toBeVisible();
  await expect(events.filter({ hasNot: page.getByTitle(name, { exact: true }) })).toHaveCount(0);
});

test('an API event leads to its logs and to its trace', async ({ page }) => {
  await open(page, '/traffic?refresh=0');
  const events = page.getByRole('list', { name: 'API events, newest first' });
  // One that is old enough for its logs and spans to be there too.
  await expect(async () => {
    await page.getByRole('button', { name: 'Refresh now' }).click();
    expect(await events.getByRole('listitem').count()).toBeGreaterThan(10);
  }).toPass();
  await events.getByRole('listitem').nth(8).getByRole('button').click();

  const drawer = page.getByRole('dialog', { name: 'API event' });
  await expect(drawer.getByText('Correlation id')).toBeVisible();
  await expect(drawer.getByText('Request', { exact: true })).toBeVisible();
  await expect(page).toHaveURL(/event=/);
  await page.reload();
  await expect(drawer.getByText('Correlation id')).toBeVisible();

  await drawer.getByRole('link', { name: 'Logs' }).click();
  await expect(page).toHaveURL(/\/logs\?.*trace_id=[0-9a-f]{32}/);
  await expect(page.getByRole('list', { name: 'Log lines, newest first' }).getByRole('listitem').first()).toBeVisible();

  await page.goBack();
  await drawer.getByRole('link', { name: 'Trace' }).click();
  await expect(page).toHaveURL(/\/traces\/[0-9a-f]{32}/);
  await expect(page.getByRole('list', { name: 'Spans of this trace' }).getByRole('listitem').nth(1)).toBeVisible();
});
