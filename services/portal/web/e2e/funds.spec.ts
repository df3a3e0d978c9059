import { expect, test, type Page } from '@playwright/test'
import { doors } from './playwright.config.ts'
import { become, look, shoot } from './page.ts'

interface Day { institution: string; day: string; closing_fen?: number; cover_percent?: number; open: number }
interface Alert { institution: string; level: string; state: string; actions: { action: string }[] }
interface Found<T> { items: T[] }

/** ask reads from a service as the person that page has become. */
async function ask<T>(page: Page, path: string): Promise<T[]> {
  const answer = await page.request.get(doors.staff + path)
  expect(answer.ok(), `${path} ${await answer.text()}`).toBe(true)
  return ((await answer.json()) as Found<T>).items
}

/** settled waits until the bank's days have come and are reconciled, and returns them. */
async function settled(page: Page): Promise<Day[]> {
  let days: Day[] = []
  await expect.poll(async () => (days = await ask<Day>(page, '/api/escrow/v1/reconciliations')).length, { timeout: 60_000 }).toBeGreaterThan(0)
  return days
}

async function open(page: Page, path: string) {
  await page.goto(`${doors.staff}/console${path}`)
  await expect(page.getByRole('heading', { level: 1 })).toBeVisible()
  await expect(page.getByText('正在读取…')).toHaveCount(0)
}

test('the bank reports by itself: days, cover and alerts are there', async ({ page }) => {
  await become(page, 'examiner')
  const days = await settled(page)
  expect(days.some((d) => d.closing_fen !== undefined && d.cover_percent === 100)).toBe(true)
  await open(page, '/reconciliations')
  await look(page)
  await page.locator('tbody th a').first().click()
  await expect(page.getByRole('heading', { name: '三方核对' })).toBeVisible()
  await look(page)
  await shoot(page, 'reconciliation')
  await page.getByRole('link', { name: '机构资金页' }).click()
  await expect(page.getByRole('heading', { name: '资金现状' })).toBeVisible()
})

test('an institution’s money: figures, a chart with its table, alerts with their buttons', async ({ page }) => {
  await become(page, 'examiner')
  await settled(page)
  const alerts = (await ask<Alert>(page, '/api/escrow/v1/alerts?state=OPEN&level=RED')).filter((a) => a.actions.some((b) => b.action === 'hold'))
  expect(alerts.length).toBeGreaterThan(0)
  await open(page, '/alerts')
  await expect(page.locator('tbody .light').first()).toBeVisible()
  await look(page)
  await open(page, `/accounts/${alerts[0]!.institution}`)
  await expect(page.getByRole('img', { name: /银行账上有多少/ })).toBeVisible()
  await page.getByText('查看数据').first().click()
  await look(page)
  await shoot(page, 'funds')
  const panel = page.getByRole('listitem').filter({ has: page.getByRole('button', { name: '暂停拨付' }) }).first()
  await panel.getByRole('button', { name: '暂停拨付' }).click()
  await page.getByRole('button', { name: '确认暂停拨付' }).click()
  await expect(page.getByRole('link', { name: '请填写“理由”' })).toBeVisible()
  await look(page)
  await page.getByLabel('理由').fill('保证金不足，逐日核查')
  await page.getByRole('button', { name: '确认暂停拨付' }).click()
  await expect(page.getByText('已办理：暂停拨付')).toBeVisible()
  await page.getByRole('button', { name: '恢复拨付' }).first().click()
  await page.getByLabel('理由').fill('已补足保证金')
  await page.getByRole('button', { name: '确认恢复拨付' }).click()
  await expect(page.getByText('已办理：恢复拨付')).toBeVisible()
  await look(page)
})

test('a difference: found by itself after the bank paid twice, explained by one, confirmed by another', async ({ page }) => {
  test.setTimeout(240_000)
  await become(page, 'examiner')
  await settled(page)
  const clock = (await (await page.request.get(`${doors.staff}/trial/clock`)).json()) as { now: string }
  const next = new Date(Date.parse(clock.now) + 24 * 3600_000)
  expect((await page.request.post(`${doors.staff}/trial/clock`, { data: { to: next.toISOString() } })).ok()).toBe(true)
  await expect.poll(async () => (await ask(page, '/api/escrow/v1/discrepancies?kind=duplicate')).length, { timeout: 60_000 }).toBeGreaterThan(0)
  await open(page, '/discrepancies?kind=duplicate')
  await look(page)
  const { state } = (await ask<{ state: string }>(page, '/api/escrow/v1/discrepancies?kind=duplicate'))[0]!
  await page.locator('tbody th a').first().click()
  await expect(page.getByRole('heading', { name: '发现的事实（不可更改）' })).toBeVisible()
  await look(page)
  if (state !== 'OPEN') return // the other screen's run has closed it
  const at = page.url()
  await page.getByRole('button', { name: '说明原因' }).click()
  await page.getByLabel('理由').fill('银行重复执行同一指令，已要求追回')
  await look(page)
  await page.getByRole('button', { name: '确认说明原因' }).click()
  await expect(page.getByText('已说明，待第二人复核').first()).toBeVisible()
  await expect(page.getByRole('button', { name: '复核通过' })).toHaveCount(0) // not one's own
  await become(page, 'examiner2')
  await page.goto(at)
  await page.getByRole('button', { name: '复核通过' }).click()
  await page.getByRole('button', { name: '确认复核通过' }).click()
  await expect(page.getByText('已了结').first()).toBeVisible()
  await look(page)
})

test('early warnings with their reasons; of the control group none', async ({ page }) => {
  await become(page, 'examiner')
  await open(page, '/warnings')
  await look(page)
  const all = await ask<{ institution: string; control: boolean; reasons: unknown[] }>(page, '/api/escrow/v1/warnings')
  const scored = all.find((w) => !w.control)
  expect(scored).toBeDefined()
  await open(page, `/warnings/${scored!.institution}`)
  await expect(page.getByRole('heading', { name: '原因' })).toBeVisible()
  await look(page)
  const control = (await ask<{ institution: string }>(page, '/api/escrow/v1/warnings?band=CONTROL'))[0]
  if (!control) return // the lot fell on none of the few that there are
  await open(page, `/warnings/${control.institution}`)
  await expect(page.getByRole('heading', { level: 2, name: '抽签留作对照组' })).toBeVisible()
  await expect(page.getByRole('heading', { name: '原因' })).toHaveCount(0)
  await look(page)
})

test('rules tried over the past: a lower limit finds more', async ({ page }) => {
  await become(page, 'examiner')
  await open(page, '/rerun')
  await look(page)
  const clock = (await (await page.request.get(`${doors.staff}/trial/clock`)).json()) as { now: string }
  const day = (ago: number) => new Date(Date.parse(clock.now) - ago * 24 * 3600_000).toISOString().slice(0, 10)
  await page.getByLabel('付款起始日').fill(day(365))
  await page.getByLabel('付款截止日').fill(day(0))
  await page.getByLabel('规则', { exact: true }).selectOption('fee.max_lessons')
  await page.getByLabel('拟议的数值').fill('30')
  await page.getByRole('button', { name: '试算' }).click()
  await expect(page.getByRole('heading', { name: '结果不同的付款' })).toBeVisible()
  const row = page.getByRole('row', { name: /一次收费课时上限/ })
  const [then, proposed] = (await row.getByRole('cell').allTextContents()).map(Number)
  expect(proposed!).toBeGreaterThan(then!)
  await look(page)
  await page.getByLabel('拟议的数值').fill('many')
  await page.getByRole('button', { name: '试算' }).click()
  await expect(page.getByRole('alert')).toContainText('应为不小于 0 的数')
  await look(page)
})

test('a principal sees the own money and its differences, and has no button of an office', async ({ page }) => {
  await become(page, 'principal')
  for (const list of ['/alerts', '/reconciliations', '/discrepancies', '/warnings']) {
    await open(page, list)
    await expect(page.getByRole('alert')).toHaveCount(0)
    await look(page)
  }
  await expect(page.getByRole('button', { name: '暂停拨付' })).toHaveCount(0)
})

test('the public page tells the band of cover and no figure', async ({ page }) => {
  await become(page, 'examiner')
  const day = (await settled(page)).find((d) => d.cover_percent !== undefined)!
  await expect.poll(async () => {
    await page.goto(`${doors.public}/institutions/${day.institution}`)
    return page.getByText('监管资金覆盖：').count()
  }, { timeout: 30_000 }).toBe(1)
  const section = page.locator('section').filter({ has: page.getByRole('heading', { name: '预收费监管' }) })
  await expect(section).toContainText(/充足|偏低|不足/)
  await expect(section).toContainText('数据截至')
  expect(await section.innerText()).not.toMatch(/\d+(\.\d+)? ?元|%/)
  await look(page)
  await shoot(page, 'public cover')
})

test('a parent calculates a refund before applying, without scripts', async ({ browser }, { project }) => {
  test.setTimeout(240_000)
  const context = await browser.newContext({ viewport: project.use.viewport ?? null, locale: 'zh-CN', javaScriptEnabled: true, baseURL: doors.public })
  const page = await context.newPage()
  await page.route('**/*.js', (route) => route.abort()) // the page has to do without; axe comes by the test itself
  await become(page, 'parent', 'public')
  const answer = await page.request.get(`${doors.public}/api/escrow/v1/contracts`)
  const contracts = ((await answer.json()) as Found<{ id: string; state: string; held_fen: number }>).items.filter((c) => c.state === 'PAID' && c.held_fen > 0)
  expect(contracts.length).toBeGreaterThan(0)
  await page.goto(`/contracts/${contracts.at(-1)!.id}`)
  await page.getByRole('link', { name: /申请退费：先算一算/ }).click()
  await expect(page.getByRole('heading', { level: 2, name: /可退 .* 元/ })).toBeVisible()
  await expect(page.getByRole('heading', { name: '依据的条款' })).toBeVisible()
  await look(page)
  await page.getByLabel(/退课时数/).fill('2')
  await page.getByRole('button', { name: '计算' }).click()
  await page.getByText(/不适用的条款和理由/).click()
  await page.getByText('规则、出处和当时的数据').first().click()
  await look(page)
  await shoot(page, 'refund')
  await page.getByLabel(/退课时数/).fill('999')
  await page.getByRole('button', { name: '计算' }).click()
  await expect(page.getByRole('alert')).toContainText('至多可退')
  await look(page)
  await page.getByLabel(/退课时数/).fill('1')
  await page.getByRole('button', { name: '计算' }).click()
  await page.getByLabel('原因（机构看得到）').fill('课程安排有变')
  await page.getByRole('button', { name: '申请退费' }).click()
  await expect(page.getByRole('status')).toContainText('已办理')
  await expect(page.locator('.past').first()).toContainText('机构最迟在这一天答复')
  await look(page)
  await context.close()
})
