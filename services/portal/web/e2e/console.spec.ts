// What the console does beside the story: its lists, many cases at once, forms that
// are wrong, services that are away.
import { expect, test } from '@playwright/test'
import { doors } from './playwright.config.ts'
import { become, loaded, look, open, shoot, tabTo } from './page.ts'
import { apply, be } from './suite.ts'

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
    const folded = page.getByRole('button', { name: '栏目' })
    const menu = page.getByRole('navigation', { name: '主要栏目' })
    if (await folded.isVisible()) {
      await folded.click()
      await look(page)
    }
    for (const group of await menu.getByRole('button').all()) {
      await group.click()
      await expect(menu.locator('[aria-expanded=true]')).toHaveCount(1)
      await look(page)
      await page.keyboard.press('Escape')
      await expect(menu.locator('[aria-expanded=true]')).toHaveCount(0)
    }
    const addresses = await menu.getByRole('link', { includeHidden: true }).evaluateAll((all) => all.map((a) => a.getAttribute('href')!.replace('/console', '')))
    expect(addresses.length).toBeGreaterThan(1)
    for (const address of addresses.slice(1)) {
      await open(page, address)
      await expect(page.getByRole('alert')).toHaveCount(0)
      await look(page)
    }
  })
}

test('the light that was clicked is in the address, and a reload keeps it', async ({ page }) => {
  await apply() // one at least that is not late
  await become(page, 'examiner')
  await open(page, '/')
  await shoot(page, 'inbox')
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
  const two = [await apply(), await apply()]
  await become(page, 'examiner')
  await open(page, '/?kind=licensing.accept')
  for (const { name } of two) await page.getByRole('checkbox', { name: `待受理：${name}` }).check()
  await look(page)
  await page.getByRole('button', { name: '批量办理' }).click()
  await page.getByRole('button', { name: '全部受理' }).click()
  await look(page)
  await page.getByRole('button', { name: '确认受理' }).click()
  await expect(page.getByText('受理：2 件已办理，共 2 件')).toBeVisible()
  await expect(page.getByText('✔ 已办理')).toHaveCount(2)
  await look(page)
  await page.getByRole('button', { name: '完成' }).click()
  for (const { name } of two) await expect(page.getByRole('checkbox', { name })).toHaveCount(0)
})

test('the keyboard alone: from the inbox to a decision', async ({ page }) => {
  const { name } = await apply()
  await become(page, 'examiner')
  await open(page, `/?q=${encodeURIComponent(name)}`)
  await tabTo(page, page.getByRole('link', { name: new RegExp(name) }))
  await page.keyboard.press('Enter')
  await loaded(page)
  await tabTo(page, page.getByRole('button', { name: '受理', exact: true }))
  await page.keyboard.press('Enter')
  await tabTo(page, page.getByRole('button', { name: '确认受理', exact: true }))
  await page.keyboard.press('Enter')
  await expect(page.getByRole('status').filter({ hasText: '已办理：受理' })).toBeVisible()
})

test('a reason is demanded, what is wrong is linked, and leaving asks first', async ({ page }) => {
  const { id } = await apply()
  await (await be('examiner')).post(`licensing/v1/applications/${id}/accept`)
  await become(page, 'examiner')
  await open(page, `/applications/${id}`)
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
  const { id } = await apply()
  await become(page, 'examiner')
  await open(page, `/applications/${id}`)
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

test('the figures lead to their lists, and a licence prints on A4', async ({ page }, { project }) => {
  await become(page, 'examiner')
  await open(page, '/situation')
  await expect(page.locator('.figures li')).toHaveCount(8)
  await expect(page.getByText('江苏省苏州市姑苏区 · 数据截至')).toHaveCount(4)
  await expect(page.getByRole('img').first()).toBeVisible()
  await shoot(page, 'situation')
  await page.getByText('查看数据').first().click()
  await look(page)
  const figures = await page.locator('.figures a').evaluateAll((all) => all.map((a) => ({ to: a.getAttribute('href')!, count: Number(a.querySelector('strong')!.textContent) })))
  await page.getByRole('link', { name: /黑名单/ }).click()
  await expect(page).toHaveURL(/list=BLACK&state=PUBLISHED/)
  for (const { to, count } of project.name === 'desktop' ? figures : []) {
    await page.goto(doors.staff + to)
    await loaded(page)
    let rows = await page.locator('tbody tr').count()
    for (const next = page.getByRole('link', { name: '下一页' }); (await next.count()) > 0; rows += await page.locator('tbody tr').count()) {
      const last = await page.locator('tbody th').last().textContent()
      await next.click()
      await expect(page.locator('tbody th').last()).not.toHaveText(last!)
    }
    expect(rows, `${to} lists what the figure counts`).toBe(count)
  }
  const { items } = await (await be('examiner')).get<{ items: { id: string }[] }>('licensing/v1/institutions')
  await open(page, `/print/institutions/${items[0]!.id}/licence`)
  await look(page)
  if (project.name !== 'desktop') return
  await page.emulateMedia({ media: 'print' })
  const pdf = (await page.pdf({ format: 'A4', preferCSSPageSize: true })).toString('latin1')
  expect(pdf.match(/\/Type\s*\/Page[^s]/g)).toHaveLength(1)
})
