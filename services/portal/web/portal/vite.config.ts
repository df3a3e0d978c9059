import { defineConfig } from 'vitest/config'
import vue from '@vitejs/plugin-vue'
import { budget } from '../budget.ts'

export default defineConfig({
  base: '/assets/portal/',
  plugins: [vue(), budget('portal', 90, ['../../static/style.css'])],
  build: {
    outDir: '../dist/portal', emptyOutDir: true, target: 'es2022', manifest: 'manifest.json',
    rolldownOptions: { input: { page: 'src/page.ts' } },
  },
  test: { environment: 'happy-dom', include: ['src/**/*.test.ts'] },
})
