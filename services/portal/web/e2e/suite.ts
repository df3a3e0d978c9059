// What a test needs of the running suite beside its pages: to make cases of its
// own by the API, each as the person whose part it is, and to let the law's time
// pass. Nothing here clicks; what is clicked stands in the tests.
import { randomInt, randomUUID } from 'node:crypto'
import { expect } from '@playwright/test'
import { doors } from './playwright.config.ts'

/** A Person speaks to the services with a token of their own. */
export interface Person {
  get<T>(path: string): Promise<T>
  post<T>(path: string, body?: object): Promise<T>
}

export async function be(persona: string): Promise<Person> {
  const { token } = await ask<{ token: string }>('/trial/login', { method: 'POST', headers: json, body: JSON.stringify({ persona }) })
  const headers = { ...json, Authorization: `Bearer ${token}` }
  return {
    get: (path) => ask(`/api/${path}`, { headers }),
    post: (path, body = {}) => ask(`/api/${path}`, { method: 'POST', headers: { ...headers, 'Idempotency-Key': randomUUID() }, body: JSON.stringify(body) }),
  }
}

const json = { 'Content-Type': 'application/json' }

async function ask<T>(path: string, request: RequestInit): Promise<T> {
  const answer = await fetch(doors.staff + path, { ...request, signal: AbortSignal.timeout(60_000) })
  const text = await answer.text()
  if (!answer.ok) throw new Error(`${request.method ?? 'GET'} ${path}: ${answer.status} ${text}`)
  return JSON.parse(text) as T
}

/** Waits for what travels by events: asks again until the answer will do. */
export async function eventually<T>(what: string, find: () => Promise<T | undefined>): Promise<T> {
  let found: T | undefined
  await expect(async () => {
    found = await find()
    expect(found, what).toBeTruthy()
  }).toPass({ timeout: 90_000 })
  return found!
}

/** The legal date, some days from now. */
export async function today(days = 0): Promise<string> {
  const { now } = await ask<{ now: string }>('/trial/clock', {})
  return plus(new Date(now), days)
}

const shanghai = 8 * 3600_000
const plus = (time: Date, days: number) => new Date(time.getTime() + shanghai + days * 86_400_000).toISOString().slice(0, 10)

/** A date that is months later, and days. */
export function later(date: string, months: number, days = 0): string {
  const [y, m, d] = date.split('-').map(Number) as [number, number, number]
  const last = new Date(Date.UTC(y, m + months, 0)).getUTCDate()
  return new Date(Date.UTC(y, m - 1 + months, Math.min(d, last) + days)).toISOString().slice(0, 10)
}

/** Moves legal time to the morning after the last day of a period. */
export async function pass(last: string): Promise<void> {
  if ((await today()) > last) return
  await ask('/trial/clock', { method: 'POST', headers: json, body: JSON.stringify({ to: `${later(last, 0, 1)}T09:00:00+08:00` }) })
}

/** A name that no other case of this or an earlier run has. */
export const named = (what: string) => `示例${what} ${Date.now().toString(36).toUpperCase()}`

/** What a principal says of an institution to be. */
export const wish = (name: string) => ({
  name, category: 'culture_arts', item: '美术', kind: 'non_subject', mode: 'offline', jurisdiction: '320508', address: '苏州市姑苏区示例路 1 号 2 层',
  area_m2: 180, capacity: 40, legal_form: 'for_profit', sponsor: { name: '示例文化发展有限公司', uscc: '91350100M000100Y43' },
})

/** An application that waits to be accepted. */
export async function apply(name = named('书画培训中心')): Promise<{ id: string; name: string }> {
  const { id } = await (await be('principal')).post<{ id: string }>('licensing/v1/applications', wish(name))
  return { id, name }
}

/** An institution with a licence and a supervised account, both known to every service. */
export async function institution(name = named('美术培训中心')): Promise<{ id: string; name: string }> {
  const [principal, examiner, examiner2, culture] = await Promise.all(['principal', 'examiner', 'examiner2', 'culture'].map(be)) as [Person, Person, Person, Person]
  const at = `licensing/v1/applications/${(await apply(name)).id}`
  await examiner.post(`${at}/accept`)
  await culture.post(`${at}/opinion`, { opinion: 'agree', text: '符合文化艺术类设置标准，同意设立。' })
  for (const [officer, certificate] of [[examiner, '示例执法证 0001'], [examiner2, '示例执法证 0002']] as const) {
    await officer.post(`${at}/site-check`, { passed: true, area_m2: 180, certificate, note: '面积、疏散通道与申报一致' })
  }
  await examiner.post(`${at}/notice`)
  await pass((await examiner.get<{ notice_until: string }>(at)).notice_until)
  await examiner.post(`${at}/decide`, { decision: 'grant' })
  const { institution_id: id } = await examiner.get<{ institution_id: string }>(at)
  const account = { institution: id, mode: 'custody', bank: '示例银行姑苏支行', account_tail: '4821', agreement_no: `托管-${name}`, opened_on: await today() }
  await eventually('the licence in escrow', () => principal.post<object>('escrow/v1/accounts', account).catch(() => undefined))
  await eventually('the licence on the public page', () => principal.get<object>(`portal/v1/institutions/${id}`).catch(() => undefined))
  return { id, name }
}

/** A contract that parent has paid, with lessons that were taught. */
export async function contract(institution: string, course: string, taught: number): Promise<string> {
  const [principal, parent] = await Promise.all(['principal', 'parent'].map(be)) as [Person, Person]
  const offer = {
    institution, parent: 'parent', pupil: '小安', course, billing: 'lesson', lessons: 4, gift_lessons: 0, price_fen: 40000,
    first_lesson: await today(), last_lesson: await today(21),
  }
  const { id } = await principal.post<{ id: string }>('escrow/v1/contracts', offer)
  const at = `escrow/v1/contracts/${id}`
  await parent.post(`${at}/sign`)
  await parent.post(`${at}/pay`, { amount_fen: offer.price_fen, reference: randomUUID() })
  for (let n = 1; n <= taught; n++) await principal.post(`${at}/lessons/${n}/taught`)
  return id
}

/** A tip-off about an institution that the education office handles. */
export async function tip(about: { id: string; name: string }): Promise<{ id: string; number: string; code: string }> {
  const [intake, examiner] = await Promise.all(['intake', 'examiner'].map(be)) as [Person, Person]
  const receipt = await intake.post<{ number: string; code: string }>('tipoff/v1/tips', {
    subject_kind: 'INSTITUTION', institution_name: about.name, jurisdiction: '320508', text: '这家机构一次收了我们半年的培训费，属于超期预收费。',
  })
  const { items } = await intake.get<{ items: { id: string }[] }>(`tipoff/v1/tips?number=${receipt.number}`)
  const at = `tipoff/v1/tips/${items[0]!.id}`
  await intake.post(`${at}/tie`, { subject_kind: 'INSTITUTION', institution: about.id, institution_name: about.name, category: '超期预收费', summary: '反映该机构一次收取超过三个月的培训费。' })
  await intake.post(`${at}/dispatch`, { owner: 'education' })
  await examiner.post(`${at}/accept`)
  return { id: items[0]!.id, ...receipt }
}

/** A code of a company in 姑苏区 that passes both checks (GB 32100, GB 11714). */
export function uscc(): string {
  const alphabet = '0123456789ABCDEFGHJKLMNPQRTUWXY'
  let code = `91320508MA${String(randomInt(1_000_000)).padStart(6, '0')}`
  const organisation = [3, 7, 9, 10, 5, 8, 4, 2].reduce((sum, weight, i) => sum + weight * parseInt(code[8 + i]!, 36), 0)
  code += '0123456789X'[(11 - (organisation % 11)) % 11]
  let weight = 1
  let total = 0
  for (const c of code) {
    total += alphabet.indexOf(c) * weight
    weight = (weight * 3) % 31
  }
  return code + alphabet[(31 - (total % 31)) % 31]
}
