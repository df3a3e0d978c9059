import { afterEach, expect, test, vi } from 'vitest'
import type { Action } from './api'
import { shared, take, type Case, type Result } from './batch'

const action = (name: string, more: Partial<Action> = {}): Action => ({ action: name, label: name, method: 'POST', href: `/v1/${name}`, reason: false, batch: true, ...more })
const one = (id: string, ...actions: Action[]): Case => ({ id, title: id, service: 'licensing', actions: actions.map((a) => ({ ...a, href: `/v1/cases/${id}/${a.action}` })) })

afterEach(() => vi.unstubAllGlobals())

test('only steps that the flow table lets many take, in the same form for all of them', () => {
  const named = (cases: Case[]) => shared(cases).map((a) => a.action)
  expect(named([one('1', action('accept'), action('refuse', { batch: false })), one('2', action('accept'), action('refuse', { batch: false }))])).toEqual(['accept'])
  expect(named([one('1', action('accept')), one('2', action('notice'))])).toEqual([])
  expect(named([one('1', action('accept')), one('2', action('accept', { reason: true }))])).toEqual([])
  expect(named([])).toEqual([])
})

test('each case gets its own answer; trying again sends the failed one under the key it had', async () => {
  const sent: [string, string][] = []
  vi.stubGlobal('fetch', async (address: string, { headers }: { headers: Record<string, string> }) => {
    sent.push([address, headers['Idempotency-Key']!])
    const problem = { type: 'x', status: 409, detail: '状态已变' }
    return address.includes('/2/') ? new Response(JSON.stringify(problem), { status: 409 }) : new Response('{}')
  })
  const cases = [one('1', action('accept')), one('2', action('accept')), one('3', action('accept'))]
  const results: Result[] = []
  await take(cases, 'accept', {}, [], (r) => results.push(r))
  expect(results.map((r) => r.failure?.detail)).toEqual([undefined, '状态已变', undefined])
  expect(new Set(sent.map(([, key]) => key)).size).toBe(3)
  await take([cases[1]!], 'accept', {}, results, () => undefined)
  expect(sent[3]).toEqual(sent[1])
})
