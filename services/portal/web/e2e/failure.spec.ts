// What people see while a service is dead or slow: never less than they typed.
import { readFileSync } from 'node:fs'
import { expect, test } from '@playwright/test'
import { doors } from './playwright.config.ts'
import { become, fill, look, open, shoot } from './page.ts'
import { apply } from './suite.ts'

/** The process of a service of the suite under test. */
function pid(service: string): number {
  const all = JSON.parse(readFileSync(`${process.env.XUNGUAN_DATA}/run.json`, 'utf8')) as { name: string; pid: number }[]
  return all.find((p) => p.name === service)!.pid
}

const told = '晚上九点以后仍在上课，楼道堵塞，消防通道被占用。'

test('a service that does not answer: what was typed is kept, and sent again it counts once', async ({ page }) => {
  await page.goto('/tipoff?name=示例机构')
  for (let i = 0; i < 2; i++) await page.getByRole('button', { name: '继续' }).click()
  await page.getByLabel('发生了什么').fill(told)
  for (let i = 0; i < 2; i++) await page.getByRole('button', { name: '继续' }).click()
  const frozen = pid('tipoff')
  process.kill(frozen, 'SIGSTOP')
  try {
    await page.getByRole('button', { name: '提交' }).click({ noWaitAfter: true })
    await expect(page.getByRole('alert')).toBeFocused({ timeout: 60_000 })
    await expect(page.locator('main')).toContainText(told)
    await look(page)
    await shoot(page, 'unavailable')
  } finally {
    process.kill(frozen, 'SIGCONT')
  }
  const again = () => page.getByRole('button', { name: '提交' }).click()
  await expect(async () => {
    if (await page.getByRole('alert').isVisible()) await again()
    await expect(page.getByRole('heading', { level: 1 })).toHaveText('已收到您的举报', { timeout: 10_000 })
  }).toPass({ timeout: 120_000 })
})

test('a service that died: the page says so and the next try succeeds', async ({ page }) => {
  await page.goto('/tipoff/track')
  process.kill(pid('tipoff'), 'SIGKILL')
  await page.getByLabel('受理编号').fill('TS-2026-0101-0000')
  await page.getByLabel('查询码').fill('00000-00000-00000-00000-00000')
  await expect(async () => {
    await page.getByRole('button', { name: '查询' }).click()
    await expect(page.getByRole('alert')).toContainText('没有找到', { timeout: 5_000 }) // the service is back, and answers
  }).toPass({ timeout: 120_000 })
  await expect(page.getByLabel('受理编号')).toHaveValue('TS-2026-0101-0000')
})

test('a form that waits says so, and can be taken back', async ({ page }) => {
  // Playwright waits for the answer that never comes: the page itself tells what it shows, and presses the button.
  let said = ''
  await page.exposeFunction('tell', (text: string) => { said = text })
  await page.addInitScript(() => {
    const watch = new MutationObserver(() => {
      const note = document.querySelector('.waiting')
      if (!note) return
      watch.disconnect()
      ;(window as unknown as { tell: (text: string) => void }).tell(note.textContent)
      note.querySelector('button')!.click()
    })
    watch.observe(document, { childList: true, subtree: true })
  })
  await page.goto('/tipoff/track')
  await page.route('**/tipoff/track', (route) => (route.request().method() === 'POST' ? undefined : route.continue())) // no answer at all
  await page.getByLabel('受理编号').fill('TS-2026-0101-0000')
  await page.getByLabel('查询码').fill('00000-00000-00000-00000-00000')
  await page.getByRole('button', { name: '查询' }).click({ noWaitAfter: true })
  await expect.poll(() => said, { timeout: 30_000 }).toContain('服务迟迟没有答复')
  await expect(page.getByText('已停下')).toBeVisible()
  await expect(page.getByLabel('受理编号')).toHaveValue('TS-2026-0101-0000')
})

test('the console: a service that takes 30 seconds, and one that died', async ({ page }) => {
  const { id } = await apply()
  await become(page, 'examiner')
  await open(page, `/applications/${id}`)
  await page.getByRole('button', { name: '一次告知补正' }).click()
  const typed = { 理由: '材料不全', 需补正的材料: '房屋租赁合同' }
  await fill(page.locator('form'), typed)
  const frozen = pid('licensing')
  process.kill(frozen, 'SIGSTOP')
  try {
    await page.getByRole('button', { name: '确认一次告知补正' }).click()
    await expect(page.getByRole('alert')).toContainText(/没有答复|没有应答|暂时|暂不可用/, { timeout: 30_000 })
    await expect(page.getByLabel('理由')).toHaveValue(typed.理由)
    await look(page)
    await shoot(page, 'console-late')
    page.once('dialog', (dialog) => void dialog.accept())
    await page.goto(`${doors.staff}/console/`)
    await expect(page.getByRole('alert')).toContainText('许可与名单的待办没有列出', { timeout: 30_000 })
    await expect(page.locator('tbody tr').first()).toBeVisible() // of the other services
    await look(page)
  } finally {
    process.kill(frozen, 'SIGCONT')
  }
  await expect(async () => {
    await page.getByRole('button', { name: '重试' }).click()
    await expect(page.getByRole('alert')).toHaveCount(0, { timeout: 5_000 })
  }).toPass({ timeout: 60_000 })
  process.kill(pid('licensing'), 'SIGKILL')
  await page.goto(`${doors.staff}/console/applications/${id}`)
  const again = page.getByRole('button', { name: '重试' })
  await expect(async () => {
    if (await again.isVisible()) await again.click()
    await expect(page.getByRole('heading', { level: 1 })).toContainText(/待受理|待补正/, { timeout: 5_000 })
  }).toPass({ timeout: 120_000 })
})
