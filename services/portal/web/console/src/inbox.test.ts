import { expect, test } from 'vitest'
import { byUrgency, narrowed, type Item } from './inbox'

const item = (id: string, more: Partial<Item> = {}): Item => ({
  service: 'licensing', id, kind: 'accept', title: `待受理：${id}`, since: '2026-11-01', provisional: false, light: 'green', href: `/applications/${id}`, ...more,
})

test('the nearest last day comes first, and what has none comes last', () => {
  const items = [item('none'), item('late', { due: '2026-12-01' }), item('soon', { due: '2026-11-20' })]
  expect(items.sort(byUrgency).map((i) => i.id)).toEqual(['soon', 'late', 'none'])
})

test('the address narrows by light, kind of one service, and words', () => {
  const items = [item('a'), item('b', { light: 'red' }), item('c', { service: 'tipoff' })]
  const ids = (asked: Record<string, string>) => narrowed(items, asked).map((i) => i.id)
  expect(ids({ light: 'red' })).toEqual(['b'])
  expect(ids({ kind: 'tipoff.accept' })).toEqual(['c'])
  expect(ids({ q: '：a' })).toEqual(['a'])
  expect(ids({})).toEqual(['a', 'b', 'c'])
})
