import { defineConfig } from 'vitest/config'
import type { Plugin } from 'vite'
import vue from '@vitejs/plugin-vue'
import components from 'unplugin-vue-components/vite'
import { ElementPlusResolver } from 'unplugin-vue-components/resolvers'
import { budget } from '../budget.ts'
import sentences from './src/zh-CN.json' with { type: 'json' }

// The staff door that `npm run dev` talks to; XUNGUAN_PORT_OFFSET as for `make up`.
const door = `http://127.0.0.1:${8081 + Number(process.env.XUNGUAN_PORT_OFFSET ?? 0)}`

// The page's title until the first page has its own.
const title: Plugin = { name: 'title', transformIndexHtml: (html) => html.replace('%title%', sentences['shell.brand']) }

export default defineConfig(({ command }) => ({
  base: command === 'serve' ? '/console/' : '/assets/console/',
  plugins: [vue(), components({ dts: false, dirs: [], resolvers: [ElementPlusResolver()] }), budget('console', 350), title],
  build: { outDir: '../dist/console', emptyOutDir: true, target: 'es2022', manifest: 'manifest.json', assetsInlineLimit: 0 },
  server: { proxy: Object.fromEntries(['/api', '/session', '/login', '/logout', '/trial', '/callback'].map((path) => [path, door])) },
  test: { environment: 'happy-dom', include: ['src/**/*.test.ts'], server: { deps: { inline: ['element-plus'] } } },
}))
