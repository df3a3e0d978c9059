// A joint visit for the tests: planned and opened by the offices, over their API.
// Who is logged in on a page is another matter.
import { randomUUID } from 'node:crypto'
import { expect } from '@playwright/test'
import { doors } from './playwright.config.ts'

const json = { 'Content-Type': 'application/json' }

async function call<T>(persona: string, path: string, data?: object): Promise<T> {
  const login = await fetch(`${doors.staff}/trial/login`, { method: 'POST', headers: json, body: JSON.stringify({ persona }) })
  const { token } = (await login.json()) as { token: string }
  const answer = await fetch(doors.staff + path, {
    headers: { ...json, Authorization: `Bearer ${token}`, 'Idempotency-Key': randomUUID() },
    ...(data ? { method: 'POST', body: JSON.stringify(data) } : {}),
  })
  const text = await answer.text()
  expect(answer.ok, `${persona} ${path} ${text}`).toBe(true)
  return JSON.parse(text) as T
}

/** act posts to inspection as persona. */
export const act = <T>(persona: string, path: string, data: object): Promise<T> => call<T>(persona, `/api/inspection/v1${path}`, data)

/** read reads from inspection as persona. */
export const read = <T>(persona: string, path: string): Promise<T> => call<T>(persona, `/api/inspection/v1${path}`)

/** openVisit is a visit of education and market to an institution of principal's that has just begun. */
export async function openVisit(): Promise<string> {
  const { now } = (await (await fetch(`${doors.staff}/trial/clock`)).json()) as { now: string }
  const { items } = await call<{ items: { id: string; status: string }[] }>('principal', '/api/licensing/v1/institutions')
  const institution = items.find((i) => i.status === 'ACTIVE')!
  const task = await act<{ id: string }>('examiner', '/tasks', {
    kind: 'JOINT', title: '超期预收费联合检查', agencies: ['education', 'market'], institution_id: institution.id, reason: '日常监测', visit_on: now.slice(0, 10),
  })
  return (await act<{ id: string }>('examiner', `/tasks/${task.id}/visits`, {})).id
}
