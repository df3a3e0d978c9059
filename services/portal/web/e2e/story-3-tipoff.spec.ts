// The third chapter: people without an account tell of an institution and of a
// place; the offices find out whose it is; the place is closed and everybody hears.
import { expect, test, type Page } from '@playwright/test'
import { become, done, fill, fromInbox, heading, here, loaded, look, open, send, shoot, track, until } from './page.ts'
import { part, plan } from './inspect.ts'
import { institution, named } from './suite.ts'

interface Receipt { number: string; code: string }

/** Tells, one question a page; each field is filled on the page where it stands. */
async function tell(page: Page, typed: Record<string, string>): Promise<Receipt> {
  await page.goto('/tipoff')
  const form = page.locator('form.action')
  const next = page.getByRole('button', { name: '继续', exact: true })
  while (await next.isVisible()) {
    for (const [label, value] of Object.entries(typed)) {
      const choice = form.getByRole('radio', { name: label })
      if ((await choice.count()) > 0) await choice.check()
      else if ((await form.getByLabel(new RegExp(`^${label}`)).count()) > 0) await fill(form, { [label]: value })
    }
    await look(page)
    const step = await page.locator('p.small').first().innerText()
    await next.click()
    await expect(page.locator('p.small').first()).not.toHaveText(step)
  }
  await page.getByRole('button', { name: '提交', exact: true }).click()
  await expect(heading(page)).toHaveText('已收到您的举报')
  return { number: await page.locator('#number').innerText(), code: await page.locator('#code').innerText() }
}

/** Opens a tip-off in the console by its number, as persona. */
async function tip(page: Page, persona: string, number: string) {
  await become(page, persona)
  await open(page, `/tips?q=${number}`)
  await page.getByRole('link', { name: number }).click()
  await expect(page).toHaveURL(/\/tips\/[0-9a-f]/)
  await loaded(page)
}

test('a tip-off about an institution: tied, merged, sent round, decided, handled', async ({ page }) => {
  test.setTimeout(900_000)
  const school = await institution(named('云锦美术培训中心'))
  const about = { 一家培训机构: '', 机构名称: school.name }
  const first = await tell(page, { ...about, 发生了什么: '这家美术机构一次收了我们半年的培训费，说三个月以上优惠更多，属于超期预收费。' })
  const same = await tell(page, { ...about, 发生了什么: '同一家机构也收了我家半年的学费，超过三个月，属于超期预收费。' })

  await test.step('the receipt says who holds it; a wrong code and an unknown number say the same', async () => {
    await track(page, first)
    await expect(page.locator('main')).toContainText('举报受理中心')
    await expect(page.locator('main')).toContainText('还没有答复')
    await look(page)
    const says = async (receipt: Receipt) => {
      await track(page, receipt)
      await expect(page.getByRole('alert')).toBeVisible()
      await look(page)
      return page.getByRole('alert').innerText()
    }
    expect(await says({ number: first.number, code: same.code })).toBe(await says({ number: 'TS-2026-0101-000000', code: same.code }))
  })

  const tie = { 在册机构: school.name, 类别: '超期预收费', 事实摘要: '反映该机构一次收取超过三个月的培训费。' }
  await test.step('intake ties it; the second is merged into it', async () => {
    await tip(page, 'intake', first.number)
    await look(page)
    await done(page, '甄别并关联对象', tie)
    await expect(heading(page)).toContainText('已甄别')
    await done(page, '分派', { 承办单位: '市场监管' })
    await tip(page, 'intake', same.number)
    await done(page, '甄别并关联对象', tie)
    await expect(page.getByRole('heading', { name: '可能重复' })).toBeVisible()
    await done(page, '并案', { 并入: first.number })
    await expect(heading(page)).toContainText('并案')
    await track(page, same)
    await expect(page.locator('main')).toContainText('并案')
  })

  await test.step('market and fire return it; the city decides', async () => {
    const back = { 退单理由: '不属于本部门职责', 建议承办单位: '教育' }
    await tip(page, 'market', first.number)
    await done(page, '退单', back)
    await expect(page.locator('main')).toContainText('不在您的办理范围内')
    await tip(page, 'intake', first.number)
    await expect(page.locator('main')).toContainText('不属于本部门职责')
    await done(page, '再次分派', { 承办单位: '消防' })
    await tip(page, 'fire', first.number)
    await done(page, '第二次退单，自动提交裁定', back)
    await fromInbox(page, 'city', `待裁定承办单位：${school.name}`)
    await done(page, '裁定承办单位（不得再退）', { 承办单位: '教育', 裁定理由: '预收费监管属教育部门职责' })
    await tip(page, 'examiner', first.number)
    await done(page, '受理')
    await expect(heading(page)).toContainText('办理中')
    for (const word of ['留有身份', '身份查看申请']) await expect(page.locator('main')).not.toContainText(word)
    await look(page)
    await shoot(page, 'tip')
  })

  await test.step('the office asks, the reporter supplements, the office answers; one may ask once more', async () => {
    await done(page, '请举报人补充（期限暂停）', { 需要补充的内容: '请说明付款日期和金额。' })
    await expect(page.getByText('计时暂停').first()).toBeVisible()
    await look(page)
    await track(page, first)
    await look(page)
    await send(page, '提交补充', { 补充说明: '今年九月一日付了六个月，共 5,200 元。' })
    await expect(page.getByRole('status')).toContainText('已办理')
    await tip(page, 'examiner', first.number)
    await expect(page.locator('main')).toContainText('5,200 元')
    await done(page, '答复', { 答复: '经查属实，已要求该机构退还超出部分。' })
    await track(page, first)
    await expect(page.locator('main')).toContainText('退还超出部分')
    await send(page, '提交评价', { 办理态度: '满意', 问题是否解决: '没有解决' })
    await expect(page.getByRole('status')).toContainText('已办理')
    await look(page)
    await shoot(page, 'track answered')
    await send(page, '要求重新办理', { 还有什么没有解决: '钱还没有退到，收据可以给你们看。' })
    await expect(page.locator('main')).toContainText('办理中')
    await expect(page.getByText('仍未解决，要求重新办理')).toHaveCount(0)
    await look(page)
    await tip(page, 'examiner', first.number)
    await expect(heading(page)).toContainText('办理中')
    await expect(page.locator('main')).toContainText('钱还没有退到')
  })
})

test('a place without a licence: sealed identity, a visit, closed, made public, answered', async ({ page }) => {
  test.setTimeout(900_000)
  const sign = named('小太阳托管')
  const receipt = await tell(page, {
    没有证照的场所: '', 招牌: sign, 地址: `苏州市姑苏区示例新村 8 幢 302 室（${sign}）`, 对方招生电话: '0512-00000000',
    发生了什么: '居民楼里没有牌照的补习班，每天晚上十几个孩子，没有办学许可证。', 姓名: '欧阳示例', 联系电话: '0512-00000001',
  })

  await test.step('who told: asked by one, allowed by another, read once, said to the reporter', async () => {
    await tip(page, 'intake', receipt.number)
    await expect(page.locator('main')).not.toContainText('欧阳示例')
    const why = `需当面核实现场位置 ${receipt.number}`
    await done(page, '申请查看举报人身份', { 理由: why })
    await expect(page.getByRole('button', { name: '同意查看' })).toHaveCount(0)
    await fromInbox(page, 'intake2', why)
    await done(page, '同意查看')
    await tip(page, 'intake', receipt.number)
    await done(page, '查看身份（只显示这一次，举报人会看到）')
    await expect(page.locator('.sealed')).toContainText('欧阳示例')
    await look(page)
    await tip(page, 'intake', receipt.number)
    await expect(page.locator('main')).not.toContainText('欧阳示例')
    await track(page, receipt)
    await expect(page.locator('main')).toContainText('需当面核实现场位置')
    await look(page)
  })

  await test.step('dispatched and accepted', async () => {
    await tip(page, 'intake', receipt.number)
    await done(page, '甄别并关联对象', { 类别: '无证照培训', 事实摘要: '居民楼内疑似无证培训，晚间有多名学生。' })
    await done(page, '分派', { 承办单位: '教育' })
    await tip(page, 'examiner', receipt.number)
    await done(page, '受理')
  })

  const task = await test.step('planned from the tip-off, visited by two offices', async () => {
    const at = await plan(page, '无证办学排查', receipt.number, { 任务名称: `无证场所排查 ${sign}`, 参加部门: ['教育', '市场监管'] })
    await done(page, '上门核查')
    await page.getByRole('heading', { name: '现场检查' }).locator('..').getByRole('link').first().click()
    await expect(page.getByRole('heading', { name: '到场执法人员与证件' })).toBeVisible()
    const visit = here(page)
    await part(page, 'examiner', visit, 'ED-', '现场有 12 名学生补课，不能出示办学许可证')
    await part(page, 'market', visit, 'MK-', '不能出示营业执照')
    await become(page, 'examiner')
    await open(page, visit)
    await done(page, '记录拒签', { 拒签原因: '举办者不愿签字', 见证人: '社区工作人员（示例）' })
    await expect(heading(page)).toContainText('已完成')
    await look(page)
    return at
  })

  await test.step('ordered to stop, found closed, published without a door number', async () => {
    const both = [' examiner（', ' market（']
    await become(page, 'examiner')
    await open(page, task)
    await done(page, '责令停止举办', { 责令内容: '责令停止举办，退还所收费用', 执法人员: both })
    await expect(heading(page)).toContainText('已责令停止举办')
    await open(page, '/sweeps')
    await expect(page.locator('main')).toContainText(sign)
    await look(page)
    await open(page, task)
    await done(page, '复核，已停办即取缔销号', { 是否已停办: '是', 执法人员: both, 情况: '已停办，招牌已拆除' })
    await done(page, '公示取缔结果', { 公示说明: '已责令停止举办。' })
    await expect(heading(page)).toContainText('已公示')
    await look(page)
    await page.goto('/results?jurisdiction=320508')
    await expect(page.locator('main')).toContainText('已责令停止举办并取缔')
    for (const word of ['302 室', '0512-00000000', '社区工作人员', '欧阳']) await expect(page.locator('main')).not.toContainText(word)
    await look(page)
  })

  await test.step('the reporter reads the answer', async () => {
    await until(page, '已答复', () => track(page, receipt))
    await expect(page.locator('main')).toContainText('停止举办')
    await look(page)
  })
})
