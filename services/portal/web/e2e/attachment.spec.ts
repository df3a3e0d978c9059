import { readFile } from 'node:fs/promises'
import { expect, test, type Page } from '@playwright/test'
import { doors } from './playwright.config.ts'
import { act, openVisit } from './inspection.ts'
import { become, look, open, send, shoot, track } from './page.ts'
import { be, institution, tip } from './suite.ts'

/** What a photo brings along that its taker does not know of. */
const mark = 'GPS N31.30 E120.60 张三 13987654321'

/** photo is a JPEG of the browser's own making, with the mark in a segment. */
async function photo(page: Page): Promise<Buffer> {
  const url = await page.evaluate(() => {
    const canvas = document.createElement('canvas')
    canvas.width = 800
    canvas.height = 600
    const pen = canvas.getContext('2d')!
    pen.fillStyle = '#0b4f9c'
    pen.fillRect(0, 0, 800, 600)
    pen.fillStyle = '#fff'
    pen.font = '64px sans-serif'
    pen.fillText('示例收据 9800 元', 80, 320)
    return canvas.toDataURL('image/jpeg')
  })
  const plain = Buffer.from(url.slice(url.indexOf(',') + 1), 'base64')
  const said = Buffer.from(mark)
  return Buffer.concat([plain.subarray(0, 2), Buffer.from([0xff, 0xfe, 0, said.length + 2]), said, plain.subarray(2)])
}

const file = (buffer: Buffer, name = '张三在家.jpg', mimeType = 'image/jpeg') => ({ name, mimeType, buffer })

for (const scripts of [true, false]) {
  test(`photos of a tip-off, ${scripts ? 'with' : 'without'} scripts: only pixels arrive, and who sent them has them back`, async ({ page: drawing, browser }) => {
    const own = await browser.newContext({ javaScriptEnabled: scripts, baseURL: doors.public, viewport: drawing.viewportSize() })
    const page = await own.newPage()
    const seen = async (name: string) => { if (scripts) { await look(page); await shoot(page, name) } }
    const on = (name: string | RegExp) => page.getByRole('button', { name }).click()
    await page.goto('/tipoff')
    await page.getByLabel('没有证照的场所').check()
    await on('继续')
    await page.getByLabel('地址').fill('苏州市姑苏区示例新村 11 幢')
    await on('继续')
    await page.getByLabel('发生了什么').fill('收了一年学费，没有开票，收据见照片。')
    await on('添加照片')
    await seen('tipoff photos')
    await page.getByLabel('选择或拍摄').setInputFiles(file(Buffer.from('%PDF-1.7 pretends to be a photo'), '收据.jpg'))
    await on('添加这张照片')
    await expect(page.getByRole('alert')).toContainText('不接受 PDF')
    await seen('tipoff photos, refused')
    await page.getByLabel('选择或拍摄').setInputFiles(file(await photo(drawing)))
    await on('添加这张照片')
    await expect(page.getByText('照片 1，已添加')).toBeVisible()
    await seen('tipoff photos, one')
    await page.getByLabel('选择或拍摄').setInputFiles(file(await photo(drawing)))
    await on('继续') // a photo that was chosen goes along, whichever button is pressed
    await on('继续')
    await expect(page.locator('#photos')).toContainText('2 张')
    await on(/更改\s*照片/)
    await on(/删除\s*照片 2/)
    await on('继续')
    await expect(page.locator('#photos')).toContainText('1 张')
    await expect(page.locator('#text')).toContainText('收据见照片')
    await on('提交')
    const number = await page.locator('#number').innerText()
    const code = await page.locator('#code').innerText()
    await page.goto('/tipoff/track')
    await page.getByLabel('受理编号').fill(number)
    await page.getByLabel('查询码').fill(code)
    await on('查询')
    await seen('track photos')
    const saved = page.waitForEvent('download')
    await on(/下载\s*照片 1/)
    const got = await saved
    expect(got.suggestedFilename()).toContain(number)
    const body = await readFile(await got.path())
    expect(body.subarray(0, 2)).toEqual(Buffer.from([0xff, 0xd8]))
    expect(body.includes('GPS') || body.includes('13987654321')).toBe(false)
    await own.close()
    if (!scripts) return

    await become(drawing, 'intake')
    const { items } = (await (await drawing.request.get(`${doors.staff}/api/tipoff/v1/tips?q=${number}`)).json()) as { items: { id: string }[] }
    await drawing.goto(`${doors.staff}/console/tips/${items[0]!.id}`)
    const link = drawing.getByRole('link', { name: '下载照片 1' })
    await expect.poll(() => link.locator('img').evaluate((img: HTMLImageElement) => img.naturalWidth)).toBe(800)
    await look(drawing)
    await shoot(drawing, 'tip photos')
    const answer = await drawing.request.get((await link.getAttribute('href'))!.replace(/^/, doors.staff))
    expect(answer.headers()).toMatchObject({ 'content-type': 'image/jpeg', 'x-content-type-options': 'nosniff' })
    expect(answer.headers()['content-disposition']).toMatch(/^attachment;/)
    await become(drawing, 'city') // who arbitrates does not see what the reporter sent
    expect((await drawing.request.get(`${doors.staff}${await link.getAttribute('href')}`)).status()).toBe(404)
  })
}

for (const scripts of [true, false]) {
  test(`photos of a supplement, ${scripts ? 'with' : 'without'} scripts: added one by one, kept with what was typed, seen by the office`, async ({ page: drawing, browser }) => {
    const receipt = await tip(await institution())
    await (await be('examiner')).post(`tipoff/v1/tips/${receipt.id}/ask`, { text: '请补充收据。' })
    const own = await browser.newContext({ javaScriptEnabled: scripts, baseURL: doors.public, viewport: drawing.viewportSize() })
    const page = await own.newPage()
    await track(page, receipt)
    await page.getByLabel('补充说明').fill('收据见照片。')
    await page.getByLabel('选择或拍摄').setInputFiles(file(Buffer.from('%PDF-1.7 pretends to be a photo'), '收据.jpg'))
    await page.getByRole('button', { name: '添加这张照片' }).click()
    await expect(page.getByRole('alert')).toContainText('不接受 PDF')
    await page.getByLabel('选择或拍摄').setInputFiles(file(await photo(drawing)))
    await page.getByRole('button', { name: '添加这张照片' }).click()
    await expect(page.getByText('照片 1，已添加')).toBeVisible()
    if (scripts) {
      await look(page)
      await shoot(page, 'track supplement')
    }
    await page.getByLabel('选择或拍摄').setInputFiles(file(await photo(drawing)))
    await send(page, '提交补充') // a photo that was chosen goes along
    await expect(page.getByRole('status')).toContainText('已办理')
    await expect(page.getByText(/照片 2（800×600/)).toBeVisible()
    const saved = page.waitForEvent('download')
    await page.getByRole('button', { name: /下载\s*照片 2/ }).click()
    const body = await readFile(await (await saved).path())
    expect(body.includes('GPS') || body.includes('13987654321')).toBe(false)
    await own.close()
    if (!scripts) return
    await become(drawing, 'examiner')
    await open(drawing, `/tips/${receipt.id}`)
    await expect(drawing.locator('main')).toContainText('收据见照片。')
    await expect(drawing.getByRole('link', { name: /下载照片 2/ })).toContainText('添加')
    await look(drawing)
  })
}

test('an institution reports with evidence, and the office sees it', async ({ page }) => {
  test.setTimeout(400_000)
  const visit = await openVisit()
  await act('examiner', `/visits/${visit}/parts/education/findings`, { item: 'ED-03', problem: true, detail: '从业人员名单没有公示' })
  await act('examiner', `/visits/${visit}/parts/education/sign`, { officers: ['examiner', 'examiner2'] })
  await act('market', `/visits/${visit}/parts/market/findings`, { item: 'MK-01', problem: false, detail: '执照在墙上' })
  await act('market', `/visits/${visit}/parts/market/sign`, { officers: ['market', 'market2'] })
  await act('principal', `/visits/${visit}/institution-signature`, {})
  const open = await act<{ id: string }>('examiner', `/visits/${visit}/rectification`, { demand: '在场所公示从业人员名单' })
  await become(page, 'principal')
  await page.goto(`${doors.staff}/console/rectifications/${open.id}`)
  await page.getByRole('button', { name: /提交整改报告/ }).click()
  await page.getByLabel('整改情况').fill('名单已经贴在前台，见照片。')
  await page.getByLabel('整改后的照片').setInputFiles([file(await photo(page)), file(Buffer.from('<svg xmlns="http://www.w3.org/2000/svg"/>'), '照片.jpg')])
  await expect(page.getByText('✔ 已上传')).toBeVisible({ timeout: 60_000 })
  await expect(page.getByText(/未上传：只接受 JPEG 和 PNG/)).toBeVisible({ timeout: 60_000 })
  await look(page)
  await shoot(page, 'rectification photos')
  await page.getByRole('button', { name: /确认.*提交整改报告/ }).click()
  await expect(page.getByRole('alert').filter({ hasText: '没有传完' })).toBeVisible() // with what was not taken nothing is handed in
  await page.getByRole('button', { name: '删除照片 2' }).click()
  await page.getByRole('button', { name: /确认.*提交整改报告/ }).click()
  await expect(page.getByRole('status').filter({ hasText: '已办理' })).toBeVisible()
  const shown = page.getByRole('link', { name: '下载照片 1' })
  await expect.poll(() => shown.locator('img').evaluate((img: HTMLImageElement) => img.naturalWidth)).toBe(800)
  await look(page)
  await become(page, 'examiner')
  await page.reload()
  await expect.poll(() => shown.locator('img').evaluate((img: HTMLImageElement) => img.naturalWidth)).toBe(800)
  await look(page)
})
