// What the public does without an account, with scripts and without.
import { expect, test, type Page } from '@playwright/test'
import { look, shoot, tabTo } from './page.ts'

test('every page of the public, as it opens', async ({ page }) => {
  for (const path of ['/', '/results', '/tipoff/track', '/tipoff/transfer', '/nowhere', '/?q=&jurisdiction=999999']) {
    await page.goto(path)
    await look(page)
  }
})

test('look an institution up, or find nothing and tell of it', async ({ page }, { project }) => {
  await page.goto('/')
  await page.getByRole('searchbox').fill('示例')
  await page.getByRole('button', { name: '查询' }).click()
  await look(page)
  await shoot(page, 'results')
  await page.locator('.cards a').first().click()
  for (const part of ['许可证编号', '有效期', '发证机关', '如何提出异议', '数据截至']) await expect(page.locator('main')).toContainText(part)
  await look(page)
  await shoot(page, 'institution')
  if (project.name === 'desktop') {
    const sheets = (await page.pdf({ format: 'A4' })).toString('latin1').match(/\/Type\s*\/Page\b/g) ?? []
    expect(sheets.length, 'sheets of A4').toBeLessThanOrEqual(2)
  }
  await page.goto('/?q=没有这一家示例机构')
  await expect(page.locator('main')).toContainText('未在本市名录中找到')
  await expect(page.locator('main')).not.toContainText(/非法|违法/)
  await look(page)
  await page.getByRole('link', { name: '反映这家机构的问题' }).click()
  await page.getByRole('button', { name: '继续' }).click()
  await expect(page.getByLabel('机构名称')).toHaveValue('没有这一家示例机构')
})

/** Tells of a place, one question a page, and returns the receipt. */
async function tellOf(page: Page, what: string, each: (step: string) => Promise<void> = async () => {}) {
  const on = (name: string | RegExp) => page.getByRole('button', { name }).click()
  await page.goto('/tipoff')
  await each('about')
  await on('继续')
  await expect(page.getByRole('alert')).toBeFocused()
  await expect(page).toHaveTitle(/^出错：/)
  await each('about, lacking')
  await page.getByRole('link', { name: '请选择反映的是什么' }).click()
  await page.getByLabel('没有证照的场所').check()
  await on('继续')
  await each('where')
  await on('继续')
  await each('where, lacking')
  await page.getByLabel('地址').fill('苏州市姑苏区示例新村 9 幢')
  await on('继续')
  await page.getByLabel('发生了什么').fill(what)
  await each('what')
  await on('继续')
  await each('who')
  await on('继续')
  await each('check')
  await on(/更改\s*发生了什么/)
  await expect(page.getByLabel('发生了什么')).toHaveValue(what)
  await on('继续')
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('请核对后提交')
  await on('提交')
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('已收到您的举报')
  return { number: await page.locator('#number').innerText(), code: await page.locator('#code').innerText() }
}

test('tip off, keep the receipt, see who holds it', async ({ page }) => {
  const { number, code } = await tellOf(page, '居民楼里每天晚上有十几个孩子上课，没有看到证照。', async (step) => {
    await look(page)
    await shoot(page, `tipoff ${step}`)
  })
  await look(page)
  await shoot(page, 'receipt')
  await page.getByRole('link', { name: '下一步' }).press('Enter')
  await expect(page.getByRole('status')).toContainText('请先')
  const file = page.waitForEvent('download')
  await page.getByRole('link', { name: '下载回执' }).click()
  expect((await file).suggestedFilename()).toContain(number)
  await page.getByRole('link', { name: '下一步' }).click()
  await page.goto('about:blank') // another telephone, which reads the picture
  await page.goto(`/tipoff/track#${number}/${code}`)
  await expect(page.getByLabel('受理编号')).toHaveValue(number)
  expect(page.url()).not.toContain(code)
  await page.getByRole('button', { name: '查询' }).click()
  await expect(page.locator('main')).toContainText('举报受理中心')
  await look(page)
  await shoot(page, 'track')
})

test('elder mode stays from page to page', async ({ page }) => {
  await page.goto('/')
  await page.getByRole('link', { name: '长辈版' }).click()
  await expect(page.locator('html')).toHaveClass(/elder/)
  for (const path of ['/tipoff', '/results', '/tipoff/track']) {
    await page.goto(path)
    await expect(page.locator('html')).toHaveClass(/elder/)
    expect(await page.locator('main').evaluate((e) => parseFloat(getComputedStyle(e).fontSize))).toBeGreaterThanOrEqual(18)
  }
  await shoot(page, 'elder')
  await page.getByRole('link', { name: '标准版' }).click()
  await expect(page.locator('html')).not.toHaveClass(/elder/)
})

test('without scripts everything works, too', async ({ browser }) => {
  const plain = await browser.newContext({ javaScriptEnabled: false })
  const page = await plain.newPage()
  const { number } = await tellOf(page, '没有脚本也能举报：晚上九点以后仍在上课。')
  expect(number).toMatch(/^TS-/)
  await page.getByRole('link', { name: '下一步' }).click()
  await expect(page.getByLabel('受理编号')).toBeVisible()
  await plain.close()
})

test('the keyboard alone: a place is told of', async ({ page }) => {
  await page.goto('/')
  await page.keyboard.press('Tab')
  await expect(page.getByRole('link', { name: '跳到正文' })).toBeFocused()
  await tabTo(page, page.getByRole('link', { name: '举报投诉' }).last())
  await page.keyboard.press('Enter')
  await tabTo(page, page.getByLabel('一家培训机构'))
  await page.keyboard.press('ArrowDown') // to the place
  await page.keyboard.press('Enter')
  await tabTo(page, page.getByLabel('地址'))
  await page.keyboard.type('苏州市姑苏区示例新村 10 幢')
  await page.keyboard.press('Enter')
  await tabTo(page, page.getByLabel('发生了什么'))
  await page.keyboard.type('每晚九点以后还在上课。')
  for (const button of ['继续', '继续', '提交']) {
    await tabTo(page, page.getByRole('button', { name: button }))
    await page.keyboard.press('Enter')
  }
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('已收到您的举报')
})
