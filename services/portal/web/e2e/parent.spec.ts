import { expect, test } from '@playwright/test'
import { become, look, shoot } from './page.ts'

test('a parent: contracts, and a lesson that was none in one tap', async ({ page }) => {
  await become(page, 'parent', 'public')
  await page.goto('/contracts')
  await expect(page.getByRole('heading', { level: 2, name: /等您办的/ })).toBeVisible()
  await look(page)
  await shoot(page, 'contracts')
  await page.getByRole('link', { name: /课时待确认/ }).first().click()
  const waiting = page.getByRole('listitem').filter({ hasText: '自动确认，这一课的费用随即拨付给机构' })
  await expect(waiting.first()).toContainText(/剩 \d+ 个工作日|今天到期/)
  await look(page)
  await shoot(page, 'contract')
  const before = await waiting.count()
  await waiting.first().getByRole('button', { name: '这节课没上' }).click()
  await expect(page.getByRole('status')).toContainText('已办理')
  await expect(page.locator('main')).toContainText('这节课没上')
  await expect(waiting).toHaveCount(before - 1)
  await look(page)
})
