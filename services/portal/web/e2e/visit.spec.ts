import { expect, test, type Page } from '@playwright/test'
import { doors } from './playwright.config.ts'
import { act, openVisit, read } from './inspection.ts'
import { become, look, shoot } from './page.ts'

interface Finding { item: string; problem: boolean; detail: string; recorded_by: string; photos: { id: string; sent_sha256: string }[] }
interface Visit { items: { code: string }[]; parts: { agency: string; findings: Finding[] }[] }

const findings = async (persona: string, visit: string, agency: string) =>
  ((await read<Visit>(persona, `/visits/${visit}`)).parts.find((p) => p.agency === agency)?.findings ?? []).sort((a, b) => a.item.localeCompare(b.item))

/** photos are pictures that differ, of the browser's own making. */
const photos = (page: Page, n: number) => page.evaluate((n) => Array.from({ length: n }, (_, i) => {
  const canvas = document.createElement('canvas')
  canvas.width = 400
  canvas.height = 300
  const pen = canvas.getContext('2d')!
  pen.fillStyle = `hsl(${i * 36} 80% 40%)`
  pen.fillRect(0, 0, 400, 300)
  return canvas.toDataURL('image/jpeg').split(',')[1]!
}), n).then((all) => all.map((text, i) => ({ name: `${i}.jpg`, mimeType: 'image/jpeg', buffer: Buffer.from(text, 'base64') })))

const part = (page: Page, code: string) => page.locator(`#item-${code}`)

async function write(page: Page, code: string, problem: boolean, detail: string) {
  const item = part(page, code)
  await item.getByText(problem ? '发现问题' : '未发现问题', { exact: false }).last().click()
  await item.getByLabel('情况').fill(detail)
  await item.getByRole('button', { name: '记录这一项' }).click()
}

/** open opens a visit and waits until it would open without a connection, too. */
async function open(page: Page, visit: string) {
  await page.goto(`${doors.staff}/console/visits/${visit}`)
  await expect(page.getByRole('heading', { name: '现场填写' })).toBeVisible({ timeout: 60_000 })
  await expect.poll(() => page.evaluate(async () => (await (await caches.open('console')).keys()).length), { timeout: 60_000 }).toBeGreaterThan(5)
}

test('twenty answers and ten photos without a connection, a reload, and back: nothing lost, nothing twice', async ({ page, context }) => {
  test.setTimeout(400_000)
  const visit = await openVisit()
  await become(page, 'examiner')
  await open(page, visit)
  await expect(page.getByText('亮证')).toBeVisible()
  await expect(page.locator('.sheet')).toContainText('证号')
  await look(page)
  const pictures = await photos(page, 10)
  const codes = (await read<Visit>('examiner', `/visits/${visit}`)).items.map((i) => i.code)
  await context.setOffline(true)
  await expect(page.getByText('没有网络')).toBeVisible()
  let answers = 0
  const said = new Map<string, string>()
  for (let round = 0; answers < 20; round++) {
    for (const code of codes) {
      if (answers === 20) break
      said.set(code, `第 ${++answers} 次填写：现场核查情况`)
      await write(page, code, answers % 2 === 0, said.get(code)!)
      await expect(part(page, code)).toContainText('待上传')
    }
  }
  for (let i = 0; i < 10; i++) await part(page, codes[i % codes.length]!).getByLabel('拍照或选择照片').setInputFiles(pictures[i]!)
  await expect(page.getByText(`${codes.length} 项尚未由服务器确认（照片 10 张）`)).toBeVisible()
  await look(page)
  await shoot(page, 'visit offline')
  await page.reload()
  await expect(page.getByText(`${codes.length} 项尚未由服务器确认（照片 10 张）`)).toBeVisible({ timeout: 60_000 })
  for (const [code, detail] of said) await expect(part(page, code).getByLabel('情况')).toHaveValue(detail)
  await expect(page.locator('.sheet img')).toHaveCount(10)
  await context.setOffline(false)
  await expect(page.getByText('本机没有待上传的内容')).toBeVisible({ timeout: 120_000 })
  await look(page)
  await shoot(page, 'visit sent')
  const there = await findings('examiner', visit, 'education')
  expect(there.map((f) => [f.item, f.detail])).toEqual([...said].sort(([a], [b]) => a.localeCompare(b)))
  const all = there.flatMap((f) => f.photos)
  expect(all).toHaveLength(10)
  expect(new Set(all.map((p) => p.sent_sha256)).size).toBe(10)
  expect(await page.evaluate(() => new Promise<number>((resolve) => {
    indexedDB.open('xunguan-visits').onsuccess = (opened) => {
      const db = (opened.target as IDBOpenDBRequest).result
      db.transaction('photos').objectStore('photos').count().onsuccess = (counted) => resolve((counted.target as IDBRequest<number>).result)
    }
  }))).toBe(0)
})

test('two officers wrote of one item: both texts stay until one of them decides', async ({ page, context }) => {
  test.setTimeout(400_000)
  const visit = await openVisit()
  await become(page, 'market')
  await open(page, visit)
  await context.setOffline(true)
  await write(page, 'MK-01', true, '执照已经过期')
  await context.setOffline(false) // the sheet sends at once, or at the latest when it is told to
  await expect(page.getByText('本机没有待上传的内容')).toBeVisible({ timeout: 60_000 })
  await context.setOffline(true)
  await write(page, 'MK-01', true, '执照已经过期，要求三日内换证')
  await act('market2', `/visits/${visit}/parts/market/findings`, { item: 'MK-01', problem: false, detail: '新执照在前台' })
  await context.setOffline(false)
  await expect(part(page, 'MK-01')).toContainText('两份都保留着', { timeout: 60_000 })
  await expect(part(page, 'MK-01')).toContainText('market2 已记录')
  await look(page)
  await shoot(page, 'visit conflict')
  await part(page, 'MK-01').getByRole('button', { name: '两份都写上' }).click()
  await expect(page.getByText('本机没有待上传的内容')).toBeVisible({ timeout: 60_000 })
  const [f] = await findings('market', visit, 'market')
  expect([f!.problem, f!.detail]).toEqual([true, '新执照在前台\n执照已经过期，要求三日内换证'])
})
