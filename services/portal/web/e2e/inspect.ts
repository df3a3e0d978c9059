// What inspectors do in more than one chapter: plan a task, fill a part of a visit.
import { expect, type Page } from '@playwright/test'
import { act, become, done, heading, here, look, open, type Typed } from './page.ts'

/** The education office plans a task of a kind from a tip-off, once it has arrived. */
export async function plan(page: Page, kind: string, number: string, typed: Typed): Promise<string> {
  await become(page, 'examiner')
  const clue = page.locator('.el-checkbox').filter({ hasText: number })
  await expect(async () => {
    await open(page, '/tasks')
    await page.getByRole('button', { name: `立项：${kind}` }).click()
    await expect(clue).toBeVisible({ timeout: 2_000 })
  }).toPass({ timeout: 90_000 })
  await page.getByRole('button', { name: '返回', exact: true }).click()
  await act(page, `立项：${kind}`, { ...typed, 由哪些举报立项: [number] })
  await expect(page).toHaveURL(/\/tasks\//)
  await expect(heading(page)).toContainText('已计划')
  return here(page)
}

/** An office fills one item of its part of a visit on the sheet for the spot, and signs the part. */
export async function part(page: Page, persona: string, visit: string, item: string, detail: string) {
  await page.goto('about:blank') // a page that finds somebody else logged in goes its own way
  await become(page, persona)
  await open(page, visit)
  const asked = page.locator('.sheet fieldset').filter({ has: page.locator('legend', { hasText: new RegExp(`^\\s*${item}`) }) }).first()
  await asked.locator('label').filter({ hasText: /■ 发现问题/ }).click()
  await asked.getByLabel('情况').fill(detail)
  await look(page)
  await asked.getByRole('button', { name: '记录这一项' }).click()
  await expect(asked).toContainText('✔ 服务器已确认')
  await done(page, '本部门签字')
  await expect(page.locator('main')).toContainText(detail)
}
