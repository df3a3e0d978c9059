import { beforeEach, expect, test } from 'vitest'
import { dropDraft, findDraft, keepDraft, partsOf, statusOf } from './apply'
import { bodyOf } from './form'

const categories = [{ category: 'sport' as const, name: '体育', items: ['球类', '武术'] }]

beforeEach(dropDraft)

test('a part is not begun, begun, or done', () => {
  const status = (values: Record<string, string>) => statusOf(partsOf(categories, values)[0]!, values)
  expect(status({})).toBe('todo')
  expect(status({ 'sponsor.name': '甲' })).toBe('begun')
  expect(status({ 'sponsor.name': '甲', 'sponsor.uscc': 'X' })).toBe('done')
})

test('the items offered are those of the category that is chosen', () => {
  const item = (values: Record<string, string>) => partsOf(categories, values)[1]!.fields.find((f) => f.name === 'item')
  expect(item({})).toBeUndefined()
  expect(item({ category: 'sport' })?.choices).toEqual(['球类', '武术'])
})

test('all parts together make the request', () => {
  const values = { 'sponsor.name': '甲', 'sponsor.uscc': 'X', name: '乙', category: 'sport', item: '球类', mode: 'offline', legal_form: 'for_profit', jurisdiction: '320508', address: '示例路', area_m2: '200', capacity: '50' }
  expect(bodyOf(partsOf(categories, values).flatMap((p) => p.fields), values)).toEqual({
    sponsor: { name: '甲', uscc: 'X' }, name: '乙', category: 'sport', item: '球类', mode: 'offline', legal_form: 'for_profit', jurisdiction: '320508', address: '示例路', area_m2: 200, capacity: 50,
  })
})

test('what was typed outlives a reload, and nothing is left after the submission', () => {
  const draft = findDraft()
  keepDraft({ ...draft, values: { name: '乙' } })
  expect(findDraft()).toEqual({ key: draft.key, values: { name: '乙' } })
  dropDraft()
  expect(findDraft().values).toEqual({})
})
