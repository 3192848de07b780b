import { expect, open, test } from './test';

test('who can reach whom is walked by keyboard and explained', async ({ page }) => {
  await open(page, '/posture');
  const matrix = page.getByRole('application', { name: /Matrix of connections/ });
  await matrix.focus();
  await page.keyboard.press('ArrowRight');
  const says = page.getByTestId('matrix-says');
  await expect(says).toContainText('observability/elasticsearch → observability/kibana: All Connections');
  await page.keyboard.press('Enter');
  const drawer = page.getByRole('dialog', { name: 'Connection' });
  await expect(drawer.getByRole('region', { name: 'TCP 443: allowed' })).toBeVisible();
  await expect(page).toHaveURL((url) => url.searchParams.get('source') === 'observability/elasticsearch[StatefulSet]' && url.searchParams.get('port') === '443');
  await page.reload();
  await expect(drawer.getByText('Ingress', { exact: true })).toBeVisible();
  await page.keyboard.press('Escape');
  await expect(drawer).toHaveCount(0);
});

test('a denied port says what would change it', async ({ page }) => {
  await open(page, '/posture?source=shop/gateway[Deployment]&destination=shop/orders[Deployment]&protocol=TCP&port=8443');
  const drawer = page.getByRole('dialog', { name: 'Connection' });
  await expect(drawer.getByRole('region', { name: 'TCP 8443: allowed' })).toBeVisible();
  await drawer.getByLabel('Port').fill('9999');
  await expect(drawer.getByRole('region', { name: 'TCP 9999: denied' })).toBeVisible();
  await expect(drawer.getByText(/What would change it/).first()).toBeVisible();
});

test('a finding leads to its explanation and to the policy that was generated', async ({ page }) => {
  await open(page, '/posture?view=findings');
  // More than the command says by default: the page tells why.
  await expect(page.getByText('parapet audit --all-workloads')).toBeVisible();
  const findings = page.getByRole('list', { name: 'Findings, worst first' }).getByRole('listitem');
  await page.getByLabel('Namespace').selectOption('observability');
  await page.getByRole('searchbox', { name: 'Search findings' }).fill('elasticsearch');
  await expect(page).toHaveURL((url) => url.searchParams.get('namespace') === 'observability' && url.searchParams.get('q') === 'elasticsearch');
  await findings.filter({ hasText: 'StatefulSet observability/elasticsearch' }).first().getByRole('button').click();

  const finding = page.getByRole('dialog', { name: 'Finding' });
  await expect(finding.getByText(/demo\/shop\.yaml:\d+:\d+/)).toBeVisible();
  // What to do is there to be copied: what changes in the manifest, or what has to be decided.
  await expect(finding.getByRole('button', { name: /^Copy the (patch|sample)$/ })).toBeVisible();
  await finding.getByRole('button', { name: 'Explain' }).click();
  const connection = page.getByRole('dialog', { name: 'Connection' });
  await expect(connection.getByRole('region', { name: /: allowed/ })).toBeVisible();
  await connection.getByRole('button', { name: 'Policy' }).click();
  const policy = page.getByRole('dialog', { name: 'Policy' });
  await expect(policy.getByText('Proved', { exact: true })).toBeVisible();
  await expect(policy.getByLabel('Policies as YAML')).toContainText('kind: NetworkPolicy');
  await page.goBack();
  await page.goBack();
  await expect(finding).toBeVisible();
});

test('a workload’s neighbours', async ({ page }) => {
  await open(page, '/posture?view=graph');
  await page.getByRole('button', { name: /^shop\/orders\[Deployment\]/ }).press('Enter');
  await expect(page).toHaveURL((url) => url.searchParams.get('focus') === 'shop/orders[Deployment]');
  const neighbours = page.getByRole('group', { name: 'Neighbours of the workload' });
  await expect(neighbours.getByRole('button', { name: /^shop\/gateway/ })).toBeVisible();
  await expect(neighbours.getByText(/^Reached by [1-9]/)).toBeVisible();
});

test('two hundred workloads are folded into namespaces', async ({ page }) => {
  const workloads = Array.from({ length: 200 }, (_, index) => ({ id: `n${Math.floor(index / 20)}/w${index}[Deployment]`, namespace: `n${Math.floor(index / 20)}`, name: `w${index}`, kind: 'Deployment', exposed_outside: false, isolated_ingress: false, isolated_egress: false }));
  const cells = workloads.flatMap((_, from) => workloads.map((_, to) => [from, to, 0]).filter(([, to]) => to !== from));
  const posture = { configured: true, demo: false, sources: ['many'], computed_at: null, modes: '', incomplete: false, problems: [], notes: [], grouped: false, workloads_total: 200, workloads, ports: ['All Connections'], cells, findings_total: 0, findings: [] };
  await page.route('**/api/v1/posture', (route) => route.fulfill({ json: posture }));
  await open(page, '/posture');
  const namespaces = page.getByRole('group', { name: 'Namespaces' }).getByRole('button');
  await expect(namespaces).toHaveCount(10);
  await expect(page.getByTestId('matrix-says')).toHaveText('n0 (20) → n0 (20): 380 of 400 pairs, All Connections');
  await namespaces.first().click();
  await expect(namespaces.first()).toHaveAttribute('aria-expanded', 'true');
  await expect(page).toHaveURL(/fold=n0/);
  await page.getByRole('button', { name: 'Graph' }).click();
  await expect(page.getByText(/lines are between namespaces/)).toBeVisible();
  await expect(page.locator('.graph path.edge')).toHaveCount(90);
  await page.getByLabel('Focus on').selectOption('n3/w60[Deployment]');
  await expect(page.getByText('Reached by 199')).toBeVisible();
});

test('without manifests the page says how to give some', async ({ page }) => {
  await page.route('**/api/v1/posture', (route) => route.fulfill({ json: { configured: false, workloads: [], cells: [], findings: [] } }));
  await open(page, '/posture');
  await expect(page.getByText('parapet up --manifests PATH')).toBeVisible();
});
