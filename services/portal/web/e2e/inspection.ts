// A joint visit for the tests: planned and opened by the offices, over their API.
import { randomUUID } from 'node:crypto'
import { expect, type Page } from '@playwright/test'
import { doors } from './playwright.config.ts'
import { become } from './page.ts'

const base = `${doors.staff}/api/inspection/v1`

/** act posts as persona, who is then the one logged in on page. */
export async function act<T>(page: Page, persona: string, path: string, data: object): Promise<T> {
  const { token } = await become(page, persona)
  const answer = await page.request.post(base + path, { data, headers: { Authorization: `Bearer ${token}`, 'Idempotency-Key': randomUUID() } })
  expect(answer.ok(), `${path} ${await answer.text()}`).toBe(true)
  return (await answer.json()) as T
}

/** read reads as the one who is logged in. */
export async function read<T>(page: Page, path: string): Promise<T> {
  const answer = await page.request.get(base + path)
  expect(answer.ok(), `${path} ${await answer.text()}`).toBe(true)
  return (await answer.json()) as T
}

/** openVisit is a visit of education and market to an institution of principal's that has just begun. */
export async function openVisit(page: Page): Promise<string> {
  const { now } = (await (await page.request.get(`${doors.staff}/trial/clock`)).json()) as { now: string }
  await become(page, 'principal')
  const { items } = (await (await page.request.get(`${doors.staff}/api/licensing/v1/institutions`)).json()) as { items: { id: string; status: string }[] }
  const institution = items.find((i) => i.status === 'ACTIVE')!
  const task = await act<{ id: string }>(page, 'examiner', '/tasks', {
    kind: 'JOINT', title: '超期预收费联合检查', agencies: ['education', 'market'], institution_id: institution.id, reason: '日常监测', visit_on: now.slice(0, 10),
  })
  return (await act<{ id: string }>(page, 'examiner', `/tasks/${task.id}/visits`, {})).id
}
