import { expect, open, test } from './test';

test('an attribute of a span leads to the traces that have it', async ({ page }) => {
  await open(page, '/traces?from=now-1h&refresh=5');
  const traces = page.getByRole('list', { name: 'Traces, newest first' }).getByRole('listitem');
  await traces.filter({ hasText: 'gateway' }).first().getByRole('link').click();
  const spans = page.getByRole('list', { name: 'Spans of this trace' }).getByRole('listitem');
  await spans.filter({ hasText: 'gateway' }).first().getByRole('button').last().click();
  const span = page.getByRole('complementary', { name: 'Span' });
  const attribute = page.getByRole('link', { name: 'Traces with this service.name', exact: true });
  const service = await span.locator('dd').filter({ has: attribute }).innerText();
  await attribute.hover();
  await attribute.click();

  await expect(page).toHaveURL((url) => url.pathname === '/traces' && url.searchParams.get('where') === `resource.service.name:${service.trim()}`);
  await expect(traces.filter({ hasText: service.trim() }).first()).toBeVisible();
  await page.getByRole('button', { name: 'Remove the filter by resource.service.name' }).click();
  await expect(page).not.toHaveURL(/where=/);
});

test('an attribute that no span has leaves no trace', async ({ page }) => {
  await open(page, '/traces?from=now-1h&where=attributes.nobody:has-this');
  await expect(page.getByText('No trace matches')).toBeVisible();
});
