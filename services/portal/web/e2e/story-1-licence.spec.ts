// The story's first chapter: an application, corrected, decided and made known.
import { expect, test } from '@playwright/test'
import { doors } from './playwright.config.ts'
import { act, become, done, fill, fromInbox, heading, here, look, open, shoot } from './page.ts'
import { be, named, pass, today, uscc } from './suite.ts'

test('from an application to the licence, the lists and the public page', async ({ page }) => {
  test.setTimeout(600_000)
  const name = named('云锦美术培训中心')

  await test.step('a principal logs in and applies', async () => {
    await page.goto(`${doors.staff}/console/apply`)
    await look(page)
    await page.locator('main').getByRole('link', { name: '登录' }).click()
    await look(page)
    await page.getByRole('link', { name: '机构负责人', exact: true }).click()
    await expect(heading(page)).toHaveText('申请设立机构')
    await look(page)
    const next = page.getByRole('button', { name: '保存并继续' })
    const part = async (title: string, typed: Record<string, string>) => {
      await page.getByRole('link', { name: title }).click()
      await fill(page.locator('form.panel'), typed)
      await look(page)
      await next.click()
      await expect(heading(page)).toHaveText('申请设立机构')
    }
    await page.getByRole('link', { name: '举办者' }).click()
    await next.click()
    await page.getByRole('link', { name: '请填写“举办者名称”' }).click()
    await expect(page.getByLabel('举办者名称')).toBeFocused()
    await look(page)
    await page.getByRole('button', { name: '回到任务清单' }).click()
    await part('举办者', { 举办者名称: '示例文化发展有限公司', 举办者统一社会信用代码: '91350100M000100Y43' })
    await part('机构与培训项目', { 机构名称: name, 类别: '文化艺术', 培训项目: '美术', 培训方式: '线下', 法人类型: '营利性' })
    await page.reload() // what was typed is kept
    await page.getByRole('link', { name: '办学场所' }).click()
    for (const [level, place] of [['省（自治区、直辖市）', '320000'], ['市、区', '320500'], ['县（区）', '320508']] as const) {
      await page.getByLabel(level, { exact: true }).selectOption(place)
    }
    await fill(page.locator('form.panel'), { 办学地址: '苏州市姑苏区示例路 1 号 2 层', 培训用房面积: '180', 同时容纳学员: '70' })
    await look(page)
    await next.click()
    await page.getByRole('button', { name: '提交申请' }).click()
    await expect(page.getByRole('alert').first()).toContainText('不得超过') // the rule about room for each pupil
    await page.getByText('规则：3 平方米', { exact: false }).first().click()
    await expect(page.locator('main')).toContainText('九项规定')
    await look(page)
    await page.getByRole('link', { name: /更改\s*同时容纳学员/ }).click()
    await page.getByLabel('同时容纳学员（人）').fill('40')
    await next.click()
    await page.getByRole('button', { name: '提交申请' }).click()
    await expect(heading(page)).toContainText('待受理')
    await look(page)
  })

  await test.step('the office asks for what is missing, and the principal brings it', async () => {
    await fromInbox(page, 'examiner', name)
    await done(page, '一次告知补正', { 理由: '材料不齐', 需补正的材料: ['房屋租赁合同', '消防验收意见'] })
    await expect(heading(page)).toContainText('待补正')
    await page.getByRole('link', { name: '打印补正告知书' }).click()
    await expect(page.locator('.sheet')).toContainText('消防验收意见')
    await look(page)
    await fromInbox(page, 'principal', name)
    await expect(page.locator('main')).toContainText('需要补正：房屋租赁合同、消防验收意见')
    await done(page, '补正后重新提交')
    await expect(heading(page)).toContainText('待受理')
  })

  const at = await test.step('accepted; without opinion and site check nothing goes on', async () => {
    await fromInbox(page, 'examiner', name)
    await done(page, '受理')
    await expect(heading(page)).toContainText('审查中')
    await act(page, '公示')
    await expect(page.getByRole('alert')).toContainText('意见')
    await look(page)
    return here(page)
  })

  await test.step('opinion, site checks, public notice, decision', async () => {
    await fromInbox(page, 'culture', name)
    await done(page, '出具行业意见', { 意见: '同意', 意见内容: '符合文化艺术类设置标准，同意设立。' })
    for (const [officer, certificate] of [['examiner', '示例执法证 0001'], ['examiner2', '示例执法证 0002']] as const) {
      await become(page, officer)
      await open(page, at)
      await done(page, '现场核查签字', { 现场合格: '是', 实测培训用房面积: '180', 执法证号: certificate, 核查情况: '面积、疏散通道与申报一致' })
    }
    await fromInbox(page, 'examiner', `待公示：${name}`)
    await done(page, '公示')
    await act(page, '准予许可')
    await expect(page.getByRole('alert')).toContainText('公示')
    await look(page)
    const { notice_until } = await (await be('examiner')).get<{ notice_until: string }>(`licensing/v1${at}`)
    await pass(notice_until)
    await fromInbox(page, 'examiner', `待决定：${name}`)
    await done(page, '准予许可')
    await expect(page.locator('main')).toContainText(/教民3205087/)
    await look(page)
    await shoot(page, 'case')
  })

  await test.step('the legal person is registered, the white list decided by two', async () => {
    await page.getByText('设立的机构', { exact: true }).locator('..').getByRole('link', { name: '查看' }).click()
    await expect(page).toHaveURL(/\/institutions\//) // the application has the same name
    await expect(heading(page)).toContainText(name)
    const institution = here(page)
    await page.getByRole('link', { name: '打印办学许可证' }).click()
    await expect(page.locator('.sheet')).toContainText('民办学校办学许可证')
    await look(page)
    await become(page, 'market')
    await open(page, institution)
    await done(page, '登记法人', { 统一社会信用代码: uscc(), 登记日期: await today() })
    await become(page, 'examiner')
    await open(page, institution)
    await look(page)
    await act(page, '提出列入名单', { 名单: '白名单', 事实: '证照齐全，无违规记录' })
    await expect(page).toHaveURL(/\/list-entries\//)
    await expect(heading(page)).toContainText('待决定')
    await expect(page.getByRole('button', { name: '同意列入' })).toHaveCount(0) // who proposes does not decide
    await fromInbox(page, 'examiner2', `白名单：${name}`)
    await done(page, '同意列入')
    await fromInbox(page, 'examiner', `待公布白名单：${name}`)
    await done(page, '公布')
    await expect(heading(page)).toContainText('已公布')
    await look(page)
  })

  await test.step('the public finds it', async () => {
    await expect(async () => {
      await page.goto('/')
      await page.getByRole('searchbox').fill(name)
      await page.getByRole('button', { name: '查询' }).click()
      await expect(page.locator('.cards')).toContainText('白名单', { timeout: 2_000 })
    }).toPass({ timeout: 90_000 })
    await look(page)
    await page.getByRole('link', { name }).click()
    for (const part of ['正常', '教民3205087', '有效期', '发证机关', '白名单', '如何提出异议', '数据截至']) await expect(page.locator('main')).toContainText(part)
    await look(page)
    await shoot(page, 'institution')
  })
})
