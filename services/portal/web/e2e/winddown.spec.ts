// The end of an institution, by clicking: begun by one official, confirmed by another,
// a parent chooses, everybody is paid. And the parent who finds out too late that
// silence has confirmed a lesson that was never given.
import { expect, test } from '@playwright/test'
import { act, become, done, fromInbox, heading, here, look, open, send, shoot, until } from './page.ts'
import { be, contract, eventually, institution, named, pass, today } from './suite.ts'
import { doors } from './playwright.config.ts'

test('an institution ends: roster, another’s yes, a parent’s choice, all paid', async ({ page }) => {
  test.setTimeout(600_000)
  const course = named('素描课')
  const at = await institution()
  const other = await institution()
  const paid = await contract(at.id, course, 0)

  await become(page, 'examiner2')
  await open(page, `/institutions/${at.id}`)
  await act(page, '启动终止清退', { 依据的情形: '机构异常关停', 决定或现场记录的文号: '姑教监〔2026〕8 号', 理由: '现场检查：人去楼空，无法联系' })
  await expect(page).toHaveURL(/\/console\/wind-downs\//)
  await expect(heading(page)).toContainText(at.name)
  const ending = here(page)
  await until(page, course, () => open(page, ending))
  await expect(page.getByRole('button', { name: '复核同意，开始清退' })).toHaveCount(0) // not one's own
  await look(page)

  await fromInbox(page, 'examiner', `${at.name} 终止清退`)
  await done(page, '复核同意，开始清退')
  await until(page, '家长选择中', () => open(page, ending))
  await look(page)
  await shoot(page, 'winddown')

  await become(page, 'principal')
  await open(page, ending)
  await act(page, '提出接收转课', { 接收的机构: other.name, 最早开课日期: await today(7), 地点: '示例路 1 号 2 层，周六上午' })
  await until(page, '周六上午', () => open(page, ending))
  await look(page)

  await become(page, 'parent', 'public')
  await until(page, '请选择退费或转课', () => page.goto(`${doors.public}/contracts`))
  await page.getByRole('link', { name: new RegExp(`${course}.*请选择退费或转课`) }).click()
  await look(page)
  await shoot(page, 'winddown parent')
  await send(page, '选择退费或转课', { 选择: '退费' })
  await expect(page.getByRole('status')).toContainText('已办理')
  await look(page)

  const examiner = await be('examiner')
  const wind = await examiner.get<{ choose_by: string }>(`escrow/v1${ending}`)
  await pass(wind.choose_by)
  await eventually('all are paid', async () => (await examiner.get<{ state: string }>(`escrow/v1${ending}`)).state === 'DONE' || undefined)
  await become(page, 'examiner')
  await open(page, ending)
  await expect(heading(page)).toContainText('清退完毕')
  await expect(page.locator('main')).toContainText('已清退')
  await look(page)
  await open(page, '/wind-downs')
  await look(page)
  await shoot(page, 'winddown list')
  const { refunded_fen: back } = await (await be('parent')).get<{ refunded_fen: number }>(`escrow/v1/contracts/${paid}`)
  expect(back).toBe(40000)
})

test('a lesson that silence confirmed: the parent still objects, the institution pays it back', async ({ page }) => {
  test.setTimeout(300_000)
  const at = await institution()
  const id = await contract(at.id, named('书法课'), 1)
  const parent = await be('parent')
  const lesson = async () => (await parent.get<{ items: { confirm_by?: string; state: string }[] }>(`escrow/v1/contracts/${id}/lessons`)).items[0]!
  await pass((await lesson()).confirm_by!)
  await eventually('silence', async () => (await lesson()).state === 'CONFIRMED' || undefined)
  await become(page, 'parent', 'public')
  await page.goto(`${doors.public}/contracts/${id}`)
  await look(page)
  await send(page, '没上这节课，要求退还', { 说明: '当天老师请假，没有上课' })
  await expect(page.getByRole('status')).toContainText('已办理')
  await expect(page.locator('main')).toContainText('自动确认的课时没有上')
  await look(page)
})
