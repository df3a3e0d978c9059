import { expect, test } from '@playwright/test'
import { look } from './page.ts'

test('every page of the public, as it opens', async ({ page }) => {
  for (const path of ['/', '/?q=%E7%A4%BA%E4%BE%8B', '/?q=%E6%B2%A1%E6%9C%89%E8%BF%99%E4%B8%80%E5%AE%B6', '/results', '/tipoff', '/tipoff/track', '/nowhere']) {
    await page.goto(path)
    await look(page)
  }
  await page.goto('/?q=%E7%A4%BA%E4%BE%8B')
  await page.locator('.cards a').first().click()
  await expect(page.getByRole('heading', { level: 1 })).toContainText('示例')
  await look(page)
})
