// Before the first paint, so that a chosen theme never flashes the other one. Written by src/lib/theme.ts.
try {
  const theme = localStorage.getItem('parapet.theme');
  if (theme === 'light' || theme === 'dark') document.documentElement.dataset.theme = theme;
} catch {
  // Storage is blocked: the system's preference it is.
}
