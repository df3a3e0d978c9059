// The second chapter: what is paid ahead, lesson by lesson, and what is too much.
import { expect, test, type Page } from '@playwright/test'
import { act, become, done, fromInbox, heading, look, open, send, shoot } from './page.ts'
import { be, institution, later, named, pass, today } from './suite.ts'

/** What the bank's receipt says. */
const receipt = () => `DEMO-${Date.now()}`

/** The principal offers parent a contract from the institution's page. */
async function offer(page: Page, at: string, typed: Record<string, string>) {
  await become(page, 'principal')
  await open(page, `/institutions/${at}`)
  await act(page, '向家长发出合同', { 家长账号: 'parent', 学员: '小安', ...typed })
  await expect(page).toHaveURL(/\/contracts\//)
  await expect(heading(page)).toContainText('待家长签订')
}

/** The parent opens what waits for them. */
async function asParent(page: Page, waiting: string) {
  await become(page, 'parent', 'public')
  await page.goto('/contracts')
  await page.getByRole('link', { name: waiting }).first().click()
}

test('an account, a contract that is too long, and the way out of it', async ({ page }) => {
  test.setTimeout(600_000)
  const school = await institution(named('陶艺培训中心'))
  const course = named('陶艺')

  await test.step('the principal reports the account and offers three months and a day', async () => {
    await become(page, 'principal')
    await open(page, `/institutions/${school.id}`)
    await page.getByText('监管账户', { exact: true }).locator('..').getByRole('link', { name: '查看' }).click()
    await expect(page.locator('main')).toContainText('示例银行姑苏支行')
    await look(page)
    const first = await today(5)
    await offer(page, school.id, { 课程: course, 收费课时: '24', 首次上课日期: first, 末次上课日期: later(first, 3, 1), 全部收费课时的价款: '2400' })
    await expect(page.locator('main')).toContainText('2,400.00 元')
    await look(page)
  })

  await test.step('the parent reads the warning with its rule, and pays all the same', async () => {
    await asParent(page, course)
    await expect(page.getByRole('heading', { name: '付款前请知悉' })).toBeVisible()
    await expect(page.locator('.warning')).toContainText('3 个月')
    await look(page)
    await shoot(page, 'warning')
    await send(page, '签订合同')
    await expect(page.getByRole('status')).toContainText('已办理')
    await expect(page.locator('.warning')).toContainText('3 个月')
    await send(page, '付款到监管账户', { 付款金额: '2400', 付款业务编号: receipt() })
    await expect(page.getByRole('status')).toContainText('已办理')
    await expect(page.locator('main')).toContainText('待处理')
    await look(page)
    await shoot(page, 'paid')
  })

  await test.step('the office has the flag, with what clears it', async () => {
    await fromInbox(page, 'examiner', `${school.name} · `)
    await expect(heading(page)).toContainText('待处理')
    await expect(page.locator('main')).toContainText('3 个月')
    await look(page)
    await shoot(page, 'flag')
  })
  const flag = page.url()

  await test.step('the last lesson is given back, and the flag is cleared by the fact', async () => {
    await become(page, 'parent', 'public')
    await page.goto('/contracts')
    await page.getByRole('link', { name: course }).first().click()
    await page.getByRole('link', { name: '申请退费：先算一算' }).click()
    await send(page, '计算', { 退课时数: '1' })
    await expect(page.getByRole('heading', { level: 2, name: /可退 .* 元/ })).toBeVisible()
    await look(page)
    await send(page, '申请退费', { 原因: '按提示退回超出部分' })
    await expect(page.getByRole('status')).toContainText('已办理')
    await look(page)
    await fromInbox(page, 'principal', `${course} 退费申请`)
    await done(page, '同意退费')
    await look(page)
    await become(page, 'examiner')
    await page.goto(flag)
    await expect(heading(page)).toContainText('已解除')
    await expect(page.locator('.cleared')).toBeVisible()
    await look(page)
  })
})

test('lessons: confirmed, none in one tap, and met with silence', async ({ page }) => {
  test.setTimeout(600_000)
  const school = await institution(named('版画培训中心'))
  const course = named('版画')

  await test.step('four lessons are paid, three taught', async () => {
    await offer(page, school.id, { 课程: course, 收费课时: '4', 首次上课日期: await today(), 末次上课日期: await today(21), 全部收费课时的价款: '400' })
    const at = page.url()
    await asParent(page, course)
    await send(page, '签订合同')
    await expect(page.locator('main')).not.toContainText('付款前请知悉')
    await send(page, '付款到监管账户', { 付款金额: '400', 付款业务编号: receipt() })
    await expect(page.getByRole('status')).toContainText('已办理')
    await become(page, 'principal')
    await page.goto(at)
    for (let n = 1; n <= 3; n++) {
      await expect(page.getByRole('heading', { name: `第 ${n} 课时可以办理` })).toBeVisible()
      await page.getByRole('region', { name: `第 ${n} 课时可以办理` }).getByRole('button', { name: '登记已授课' }).click()
      await page.getByRole('button', { name: '确认登记已授课' }).click()
      await expect(page.getByRole('region', { name: `第 ${n} 课时可以办理` })).toHaveCount(0)
    }
    await look(page)
  })

  const one = (n: number) => page.getByRole('listitem').filter({ has: page.getByText(`第 ${n} 课时`, { exact: true }) })
  await test.step('the parent sees the days that are left, says that one was none, and confirms one', async () => {
    await become(page, 'parent', 'public')
    await page.goto('/contracts')
    await expect(page.getByRole('heading', { level: 2, name: /等您办的/ })).toBeVisible()
    await look(page)
    await shoot(page, 'contracts')
    await page.getByRole('link', { name: `${course} 第 1 课时待确认` }).click()
    const waiting = page.getByRole('listitem').filter({ hasText: '自动确认，这一课的费用随即拨付给机构' })
    await expect(waiting).toHaveCount(3)
    await expect(waiting.first()).toContainText(/剩 \d+ 个工作日/)
    await look(page)
    await waiting.first().scrollIntoViewIfNeeded()
    await shoot(page, 'lessons')
    await one(1).getByRole('button', { name: '这节课没上' }).click()
    await expect(page.getByRole('status')).toContainText('已办理')
    await expect(one(1)).toContainText('有异议')
    await expect(waiting).toHaveCount(2)
    await look(page)
    await send(page, '确认课时', {}, one(2))
    await expect(page.getByRole('status')).toContainText('已办理')
    await expect(one(2)).toContainText('已确认')
  })

  await test.step('silence confirms the third, and the doubtful one still waits', async () => {
    const id = new URL(page.url()).pathname.split('/').at(-1)!
    const { items } = await (await be('parent')).get<{ items: { n: number; confirm_by: string }[] }>(`escrow/v1/contracts/${id}/lessons`)
    await pass(items.find((l) => l.n === 3)!.confirm_by)
    await page.goto(`/contracts/${id}`)
    await expect(one(3)).toContainText('逾期未答自动生效')
    await expect(one(1)).toContainText('有异议')
    await expect(page.locator('main')).toContainText('200.00 元')
    await look(page)
    await fromInbox(page, 'principal', `${course} 第 1 课时有异议`)
    await expect(page.locator('main')).toContainText('这节课没上')
    await look(page)
  })
})
