import { defineConfig } from '@playwright/test'

const offset = Number(process.env.XUNGUAN_PORT_OFFSET ?? 0)

/** Where the two doors are; `make e2e` has started the suite. */
export const doors = { public: `http://127.0.0.1:${8080 + offset}`, staff: `http://127.0.0.1:${8081 + offset}` }

const browser = {
  locale: 'zh-CN',
  timezoneId: 'Asia/Shanghai',
  baseURL: doors.public,
  actionTimeout: 30_000,
  navigationTimeout: 60_000,
  screenshot: 'only-on-failure' as const,
  launchOptions: {
    executablePath: process.env.XUNGUAN_CHROMIUM ?? '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking', '--disable-component-update', '--disable-sync', '--no-first-run'],
  },
}

export default defineConfig({
  testDir: '.',
  outputDir: 'results',
  reporter: [['list']],
  expect: { timeout: 20_000 },
  timeout: 180_000, // a machine that does other things, too
  workers: 1, // one suite, one legal clock
  webServer: {
    command: `${process.env.XUNGUAN_DATA}/bin/up`,
    cwd: '../../../..',
    env: { PORTAL_RATE: '0' }, // one machine, all the people of the story
    url: `${doors.public}/readyz`,
    timeout: 600_000,
    stdout: 'pipe',
    gracefulShutdown: { signal: 'SIGTERM', timeout: 60_000 },
    reuseExistingServer: 'XUNGUAN_E2E_RUNNING' in process.env,
  },
  use: browser,
  projects: [ // the desktop's first: its pictures are of an inbox that is not late yet
    { name: 'desktop', use: { viewport: { width: 1366, height: 768 } } },
    { name: 'phone', use: { viewport: { width: 360, height: 740 }, isMobile: true, hasTouch: true } },
  ],
})
