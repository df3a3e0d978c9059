import { expect, test, type Page } from '@playwright/test'
import { doors } from './playwright.config.ts'
import { become, look } from './page.ts'

/** ask reads from a service as the person that page has become. */
async function ask<T>(page: Page, path: string): Promise<T> {
  const answer = await page.request.get(doors.staff + path)
  expect(answer.ok(), `${path} ${await answer.text()}`).toBe(true)
  return (await answer.json()) as T
}

/** open opens a page of the console and waits until it has what it shows. */
async function open(page: Page, path: string) {
  await page.goto(`${doors.staff}/console${path}`)
  await expect(page.getByRole('heading', { level: 1 })).toBeVisible()
  await expect(page.getByText('正在读取…')).toHaveCount(0)
}

interface Items { items: { id: string; state: string; href: string; kind: string; title: string }[] }

test('nobody is logged in: one way on', async ({ page }) => {
  await page.goto(`${doors.staff}/console/`)
  await expect(page.getByRole('link', { name: '登录' }).first()).toBeVisible()
  await look(page)
})

for (const persona of ['examiner', 'market', 'intake', 'city', 'principal']) {
  test(`every list that ${persona} works with`, async ({ page }) => {
    test.setTimeout(240_000)
    await become(page, persona)
    await open(page, '/')
    await look(page)
    const menu = page.getByRole('navigation', { name: '主要栏目' })
    const addresses = await menu.getByRole('link', { includeHidden: true }).evaluateAll((all) => all.map((a) => a.getAttribute('href')!.replace('/console', '')))
    expect(addresses.length).toBeGreaterThan(1)
    for (const address of addresses.slice(1)) {
      await open(page, address)
      await expect(page.getByRole('alert')).toHaveCount(0)
      await look(page)
    }
  })
}

test('a case of every kind that an examiner has, from the list to its page', async ({ page }) => {
  test.setTimeout(240_000)
  await become(page, 'examiner')
  for (const list of ['/applications', '/institutions', '/list-entries', '/flags', '/tasks', '/visits', '/rectifications', '/follow-ups']) {
    await open(page, list)
    const first = page.locator('tbody th a').first()
    if ((await first.count()) === 0) continue // the seed has none of them
    await first.click()
    await expect(page).toHaveURL(new RegExp(`${list}/`))
    await expect(page.getByRole('heading', { level: 1 })).toBeVisible()
    await expect(page.getByText('正在读取…')).toHaveCount(0)
    await look(page)
  }
})

test('the light that was clicked is in the address, and a reload keeps it', async ({ page }) => {
  await become(page, 'examiner')
  await open(page, '/')
  const all = await page.locator('tbody tr').count()
  await page.getByRole('link', { name: /超期 \d+ 件/ }).click()
  await expect(page).toHaveURL(/light=red/)
  await page.reload()
  await expect(page.locator('tbody tr').first()).toBeVisible()
  const red = await page.locator('tbody tr').count()
  expect(red).toBeGreaterThan(0)
  expect(red).toBeLessThan(all)
  expect(await page.locator('tbody .light').evaluateAll((tags) => tags.every((tag) => /[■▲●⏸]/.test(tag.textContent ?? '') && /[\u4e00-\u9fff]/.test(tag.textContent ?? '')))).toBe(true)
})

test('two applications are accepted at once, each with its own result', async ({ page }) => {
  await become(page, 'examiner')
  await open(page, '/?kind=licensing.accept')
  const boxes = page.getByRole('checkbox', { name: /待受理/ })
  const before = await boxes.count()
  test.skip(before < 2, 'the run before this one has accepted them all')
  await boxes.nth(0).check()
  await boxes.nth(1).check()
  await page.getByRole('button', { name: '批量办理' }).click()
  await page.getByRole('button', { name: '全部受理' }).click()
  await look(page)
  await page.getByRole('button', { name: '确认受理' }).click()
  await expect(page.getByText('受理：2 件已办理，共 2 件')).toBeVisible()
  await expect(page.getByText('✔ 已办理')).toHaveCount(2)
  await look(page)
  await page.getByRole('button', { name: '完成' }).click()
  await expect(boxes).toHaveCount(before - 2)
})

test('a reason is demanded, what is wrong is linked, and leaving asks first', async ({ page }) => {
  await become(page, 'examiner')
  const { items } = await ask<Items>(page, '/api/licensing/v1/applications?state=ACCEPTED')
  await open(page, `/applications/${items[0]!.id}`)
  await page.getByRole('button', { name: '不予许可' }).click()
  await look(page)
  await page.getByRole('button', { name: '确认不予许可' }).click()
  await expect(page).toHaveTitle(/^错误：/)
  await expect(page.getByRole('link', { name: '请填写“理由”' })).toBeVisible()
  await look(page)
  await page.getByRole('link', { name: '请填写“理由”' }).click()
  await expect(page.getByLabel('理由')).toBeFocused()
  await page.keyboard.type('场所不符合消防要求')
  page.once('dialog', (dialog) => void dialog.dismiss())
  await page.getByRole('link', { name: '训管通' }).first().click()
  await expect(page.getByLabel('理由')).toHaveValue('场所不符合消防要求')
})

test('a service that does not answer: what was typed stays, and trying again acts once', async ({ page }) => {
  await become(page, 'examiner')
  const { items } = await ask<Items>(page, '/api/licensing/v1/applications?state=SUBMITTED')
  test.skip(!items.length, 'none waits')
  await open(page, `/applications/${items.at(-1)!.id}`)
  await page.getByRole('button', { name: '一次告知补正' }).click()
  await page.getByLabel('理由').fill('材料不全')
  await page.getByLabel('需补正的材料').fill('房屋租赁合同')
  const keys: string[] = []
  let broken = true
  await page.route('**/return', async (route) => {
    keys.push(route.request().headers()['idempotency-key']!)
    if (!broken) return route.fallback()
    await route.fetch() // the service acts, but its answer is lost
    await route.abort()
  })
  await page.getByRole('button', { name: '确认一次告知补正' }).click()
  await expect(page.getByRole('alert')).toContainText('没有连上服务')
  await expect(page.getByLabel('理由')).toHaveValue('材料不全')
  await look(page)
  broken = false
  await page.getByRole('button', { name: '确认一次告知补正' }).click()
  await expect(page.getByText('已办理：一次告知补正')).toBeVisible()
  expect(new Set(keys).size).toBe(1)
})

test('one dead service takes nothing from the others, and comes back', async ({ page }) => {
  await become(page, 'examiner')
  await page.route('**/api/escrow/**', (route) => route.abort())
  await open(page, '/')
  await expect(page.getByRole('alert')).toContainText('预收费监管的待办没有列出')
  await expect(page.locator('tbody tr').first()).toBeVisible()
  await look(page)
  await page.unroute('**/api/escrow/**')
  await page.getByRole('button', { name: '重试' }).click()
  await expect(page.getByRole('alert')).toHaveCount(0)
})

test('a principal applies, a part at a time', async ({ page }) => {
  test.setTimeout(120_000)
  await become(page, 'principal')
  await open(page, '/apply')
  await look(page)
  const next = page.getByRole('button', { name: '保存并继续' })
  await page.getByRole('link', { name: '举办者' }).click()
  await next.click()
  await expect(page.getByRole('link', { name: '请填写“举办者名称”' })).toBeVisible()
  await look(page)
  await page.getByLabel('举办者名称').fill('示例文化发展有限公司')
  await page.getByLabel('举办者统一社会信用代码').fill('91320508MB0015544B')
  await next.click()
  await page.getByRole('link', { name: '机构与培训项目' }).click()
  await page.getByLabel('机构名称').fill(`示例${Date.now()}美术培训中心`)
  await page.getByText('文化艺术', { exact: true }).click()
  await page.getByLabel('培训项目').selectOption('美术')
  await page.getByText('线下', { exact: true }).click()
  await page.getByText('营利性', { exact: true }).click()
  await look(page)
  await next.click()
  await page.reload() // what was typed is kept
  await page.getByRole('link', { name: '办学场所' }).click()
  await page.getByLabel('省（自治区、直辖市）').selectOption('320000')
  await page.getByLabel('市、区').selectOption('320500')
  await page.getByLabel('县（区）', { exact: true }).selectOption('320508')
  await page.getByLabel('办学地址').fill('示例路 1 号 2 层')
  await page.getByLabel('培训用房面积（平方米）').fill('240')
  await page.getByLabel('同时容纳学员（人）').fill('400')
  await next.click()
  await look(page)
  await page.getByRole('button', { name: '提交申请' }).click()
  await expect(page.getByRole('alert')).toContainText('不得超过') // the rule about room for each pupil, with its source
  await look(page)
  await page.getByRole('link', { name: '更改同时容纳学员（人）' }).click()
  await page.getByLabel('同时容纳学员（人）').fill('40')
  await next.click()
  await page.getByRole('button', { name: '提交申请' }).click()
  await expect(page).toHaveURL(/\/applications\//)
  await expect(page.getByText('待受理')).toBeVisible()
  await look(page)
})

test('the figures lead to their lists, and a licence prints on A4', async ({ page }, { project }) => {
  await become(page, 'examiner')
  await open(page, '/situation')
  await expect(page.locator('.figures li')).toHaveCount(8)
  await expect(page.getByText('数据截至')).toHaveCount(4)
  await page.getByText('查看数据').first().click()
  await look(page)
  await page.getByRole('link', { name: /黑名单/ }).click()
  await expect(page).toHaveURL(/list=BLACK&state=PUBLISHED/)
  const { items } = await ask<Items>(page, '/api/licensing/v1/institutions')
  await open(page, `/print/institutions/${items[0]!.id}/licence`)
  await look(page)
  if (project.name !== 'desktop') return
  await page.emulateMedia({ media: 'print' })
  const pdf = (await page.pdf({ format: 'A4', preferCSSPageSize: true })).toString('latin1')
  expect(pdf.match(/\/Type\s*\/Page[^s]/g)).toHaveLength(1)
})
