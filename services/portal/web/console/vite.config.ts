import { defineConfig } from 'vite'
import vue from '@vitejs/plugin-vue'
import components from 'unplugin-vue-components/vite'
import { ElementPlusResolver } from 'unplugin-vue-components/resolvers'
import { budget } from '../budget.ts'

export default defineConfig({
  base: '/assets/console/',
  plugins: [vue(), components({ dts: false, resolvers: [ElementPlusResolver()] }), budget('console', 350)],
  build: { outDir: '../dist/console', emptyOutDir: true, target: 'es2022', manifest: 'manifest.json' },
})
