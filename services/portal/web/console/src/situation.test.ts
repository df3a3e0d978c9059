import { expect, test } from 'vitest'
import { lists } from './lists'
import { ofEscrow, ofInspection, ofLicensing, ofTipoff } from './situation'

const at = '2026-11-22T09:00:00+08:00'
const all = [
  ofLicensing({ institutions: 60, by_status: { ACTIVE: 50 }, by_list: { WHITE: 7, BLACK: 2 }, as_of: at } as never),
  ofEscrow({ open_flags: 9, as_of: at } as never),
  ofInspection({ counts: [{ kind: 'JOINT', state: 'PLANNED', n: 2 }, { kind: 'JOINT', state: 'PUBLISHED', n: 1 }, { kind: 'RECTIFICATION', state: 'OVERDUE', n: 4 }], as_of: at }),
  ofTipoff({ total: 30, by_state: [{ name: 'CLOSED', count: 30 }], by_category: [], as_of: at }),
]
const ours = [
  ofLicensing({ institutions: 6, by_status: {}, by_list: {}, place: '江苏省苏州市姑苏区', as_of: at } as never),
  ofTipoff({ total: 30, by_state: [{ name: 'CLOSED', count: 30 }], by_category: [], place: '江苏省苏州市姑苏区', as_of: at }),
]
const figures = all.flatMap((p) => p.figures)

test('at most eight figures, each with what it means and a list of this console behind it', () => {
  expect(figures.length).toBeLessThanOrEqual(8)
  for (const f of figures) {
    const [path, query] = f.to.slice(1).split('?')
    const list = lists[path as keyof typeof lists]
    expect(list, f.to).toBeDefined()
    for (const asked of new URLSearchParams(query).keys()) expect(list.filters?.map((one) => one.name), f.to).toContain(asked)
    expect(f.what).not.toBe('')
  }
})

test('a figure is what the service counts', () => {
  expect(figures.map((f) => f.value)).toEqual(['60', '7', '2', '9', '3', '4', '30', '少于 5'])
})

test('the place is named that is counted; an office is told of few, too', () => {
  expect(all.map((p) => p.place)).toEqual(['全部辖区', '全部辖区', '全部辖区', '全部辖区'])
  expect(ours.map((p) => p.place)).toEqual(['江苏省苏州市姑苏区', '江苏省苏州市姑苏区'])
  expect(ours[1]!.figures.map((f) => f.value)).toEqual(['30', '0'])
})
