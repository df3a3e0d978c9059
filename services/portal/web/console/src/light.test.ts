import { mount } from '@vue/test-utils'
import { expect, test } from 'vitest'
import LightTag from './components/LightTag.vue'
import { left, lightWord, lights, shape } from './light'

test('no two lights share a shape or a word: colour says nothing alone', () => {
  expect(new Set(lights.map(shape)).size).toBe(3)
  expect(new Set(lights.map(lightWord)).size).toBe(3)
})

test.each<[number | null, string | undefined, string]>([
  [5, '2026-11-27', '剩 5 个工作日'],
  [0, '2026-11-20', '今天到期'],
  [-3, '2026-11-17', '已超期 3 个工作日'],
  [null, undefined, '没有法定期限'],
  [0, '', '没有法定期限'], // zero days of no date is no deadline of today
])('%s days of %s: %s', (days, due, text) => expect(left(days, due)).toBe(text))

test('a light tells shape, word, days and date', () => {
  const text = mount(LightTag, { props: { light: 'yellow', days: 2, due: '2026-11-24', provisional: true } }).text()
  for (const part of ['▲', '临期', '剩 2 个工作日', '2026 年 11 月 24 日', '暂定']) expect(text).toContain(part)
})

test('a paused clock shows no light that would still be running', () => {
  const text = mount(LightTag, { props: { light: 'red', days: -1, due: '2026-11-20', paused: true } }).text()
  expect(text).toContain('计时暂停')
  expect(text).not.toContain('超期')
})
