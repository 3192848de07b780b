import react from '@vitejs/plugin-react';
import { defineConfig } from 'vitest/config';

// `npm run dev` serves the sources and passes the API on to a server that runs already:
// `parapet up`, or `npm run mock`. Only this development proxy accepts any certificate.
const server = process.env.PARAPET_URL ?? 'https://127.0.0.1:8443';

export default defineConfig({
  plugins: [react()],
  server: {
    host: '127.0.0.1',
    proxy: { '/api': { target: server, secure: false, changeOrigin: true } },
  },
  build: {
    // The first versions with light-dark(), which the palette is written in.
    target: ['chrome123', 'firefox120', 'safari17.5'],
    // The content security policy allows no data: URLs.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
  test: { include: ['src/**/*.test.{ts,tsx}'], environment: 'node' },
});
