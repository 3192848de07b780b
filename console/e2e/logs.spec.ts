import { randomUUID } from 'node:crypto';
import { writeLogLine } from './system';
import { expect, open, test } from './test';

test('a line written a second ago is found, and followed to its trace', async ({ page }) => {
  await open(page, '/traces?refresh=5');
  const first = page.getByRole('list', { name: 'Traces, newest first' }).getByRole('link').first();
  await expect(first).toBeVisible();
  const traceId = /[0-9a-f]{32}/.exec((await first.getAttribute('href')) ?? '')?.[0] ?? '';
  expect(traceId).not.toBe('');

  const marker = `marker-${randomUUID()}`;
  writeLogLine({ level: 'info', msg: `written just now ${marker}`, trace_id: traceId });

  await page.getByRole('navigation', { name: 'Pages' }).getByRole('link', { name: 'Logs' }).click();
  await page.keyboard.press('/');
  await page.keyboard.type(`"just now" ${marker}`);
  await page.keyboard.press('Enter');
  const line = page.getByRole('list', { name: 'Log lines, newest first' }).getByRole('listitem').filter({ hasText: marker });
  await expect(line).toHaveCount(1);

  await line.getByRole('button').first().click();
  await line.getByRole('link', { name: 'Open trace' }).click();
  await expect(page).toHaveURL(new RegExp(`/traces/${traceId}`));
  await expect(page.getByRole('list', { name: 'Spans of this trace' }).getByRole('listitem').first()).toBeVisible();
  await expect(page.getByRole('list', { name: 'Log lines of this trace' }).getByText(marker)).toBeVisible();
});

test('typing slower than the search answers loses no character', async ({ page }) => {
  await open(page, '/logs');
  const box = page.getByRole('searchbox');
  await expect(box).toBeVisible();
  await page.keyboard.press('/');
  await expect(box).toBeFocused();
  // Longer than the pause after which a search is asked: each character is one, and arrives while the next is typed.
  await page.keyboard.type('abcdefghij', { delay: 270 });
  await expect(box).toHaveValue('abcdefghij');
  await expect(page).toHaveURL(/[?&]q=abcdefghij(&|$)/);
});

test('new lines appear while following', async ({ page }) => {
  const marker = `marker-${randomUUID()}`;
  await open(page, `/logs?q=${marker}`);
  await page.getByRole('button', { name: 'Follow' }).click();
  await expect(page.getByText('Following new lines')).toBeVisible();
  writeLogLine({ level: 'info', msg: `followed ${marker}` });
  await expect(page.getByRole('list', { name: 'Log lines, newest first' }).getByText(marker)).toBeVisible();
});

test('the address is the state: filters, range and what was searched survive a reload', async ({ page }) => {
  await open(page, '/logs');
  await page.getByRole('button', { name: 'Time range' }).click();
  await page.getByRole('menuitemradio', { name: 'Last 1 hour' }).click();
  await page.getByLabel('Least severity').selectOption('Info and above');
  await page.getByRole('button', { name: 'Filter by service' }).click();
  const value = page.getByRole('listbox', { name: 'Values' }).getByRole('option').first();
  const name = (await value.locator('span').first().innerText()).trim();
  await value.click();
  await expect(page).toHaveURL((url) => url.searchParams.get('service') === name && url.searchParams.get('from') === 'now-1h' && url.searchParams.get('severity_min') === '9');

  await page.reload();
  await expect(page.getByRole('button', { name: 'Time range' })).toContainText('Last 1 hour');
  await expect(page.getByRole('button', { name: 'Filter by service' })).toContainText(name);
  await expect(page.getByLabel('Least severity')).toHaveValue('9');
  await expect(page.getByRole('list', { name: 'Log lines, newest first' }).getByRole('listitem').first()).toContainText(name);
});

test('a field of a line becomes a filter', async ({ page }) => {
  await open(page, '/logs?from=now-1h&refresh=0');
  const lines = page.getByRole('list', { name: 'Log lines, newest first' });
  await lines.getByRole('listitem').first().getByRole('button').first().click();
  const field = page.getByRole('row').filter({ hasText: /^(service_name|k8s_container_name)/ }).first();
  await field.hover();
  await field.getByRole('button', { name: /^Filter for/ }).click();
  await expect(page).toHaveURL(/[?&](service|container)=/);
  await expect(lines.getByRole('listitem').first()).toBeVisible();
});

test('what only the resource has filters lines too, for and out', async ({ page }) => {
  // A service of the demo, for Parapet's own lines, which may be the newest, lack what all of the demo's have.
  await open(page, '/logs?from=now-1h&refresh=5&service=orders');
  const lines = page.getByRole('list', { name: 'Log lines, newest first' });
  const ofOrders = lines.getByRole('listitem').filter({ has: page.getByTitle('orders', { exact: true }) });
  await ofOrders.first().getByRole('button').first().click();
  // A truth value: it has to be found all the same.
  const field = page.getByRole('row').filter({ hasText: /^resource\.parapet\.demo/ });
  await expect(field).toHaveText(/true$/);
  await field.hover();
  await field.getByRole('button', { name: /^Filter for/ }).click();
  await expect(page).toHaveURL((url) => url.searchParams.get('where') === 'resource.parapet.demo=true');
  await expect(ofOrders.first()).toBeVisible();
  await lines.getByRole('button', { expanded: true }).click();

  await page.getByRole('button', { name: 'Filter by service' }).click();
  await page.getByRole('listbox', { name: 'Values' }).getByRole('button', { name: 'Any' }).click();
  await expect(page).not.toHaveURL(/[?&]service=/);
  await ofOrders.first().getByRole('button').first().click();
  const service = page.getByRole('row').filter({ hasText: /^resource\.service\.name/ });
  await expect(service).toHaveText(/orders$/);
  await service.hover();
  await service.getByRole('button', { name: /^Filter out/ }).click();
  await expect(page).toHaveURL((url) => url.searchParams.getAll('where').includes('!resource.service.name:orders'));
  // Others of the demo are left, and none of the service or of Parapet itself.
  await expect(ofOrders).toHaveCount(0);
  await expect(lines.getByRole('listitem').first()).toBeVisible();
  await expect(ofOrders).toHaveCount(0);
  await expect(lines.getByRole('listitem').filter({ has: page.getByTitle('parapet', { exact: true }) })).toHaveCount(0);
});

test('dragging over the histogram zooms into that time', async ({ page }) => {
  await open(page, '/logs?from=now-1h');
  const chart = page.getByRole('img', { name: 'Lines over time by severity' }).locator('.u-over');
  const box = await chart.boundingBox();
  if (!box) throw new Error('the histogram is not shown');
  await page.mouse.move(box.x + box.width * 0.6, box.y + 20);
  await page.mouse.down();
  await page.mouse.move(box.x + box.width * 0.95, box.y + 20, { steps: 5 });
  await page.mouse.up();
  await expect(page).toHaveURL((url) => /^\d{4}-/.test(url.searchParams.get('from') ?? '') && /^\d{4}-/.test(url.searchParams.get('to') ?? ''));
});

test('what is empty says what it waits for', async ({ page }) => {
  await open(page, `/logs?q=${randomUUID()}`);
  await expect(page.getByText('No line matches')).toBeVisible();
});
