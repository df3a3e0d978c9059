import { expect, test } from 'vitest'
import { date, moment, readable, yuan } from './format'

test.each([
  [0, '0.00 元'], [5, '0.05 元'], [100, '1.00 元'], [-3, '-0.03 元'], [500_000, '5,000.00 元'], [123_456_789, '1,234,567.89 元'],
])('%d 分 is %s', (fen, text) => expect(yuan(fen)).toBe(text))

test('a day stays the day that it is, wherever the browser stands', () => {
  expect(date('2026-03-04')).toBe('2026 年 3 月 4 日')
  expect(date('')).toBe('')
  expect(date(undefined)).toBe('')
})

test('a time is one of Shanghai', () => {
  expect(moment('2026-11-21T16:05:00Z')).toBe('2026 年 11 月 22 日 00:05')
  expect(moment('2026-11-22T09:00:00+08:00')).toBe('2026 年 11 月 22 日 09:00')
  expect(moment(null)).toBe('')
})

test.each<[string, unknown, string]>([
  ['price_fen', 12345, '123.45 元'],
  ['capacity', 60, '60'],
  ['deemed', true, '是'],
  ['received_on', '2026-01-09', '2026 年 1 月 9 日'],
  ['agencies', ['education', 'market'], '教育、市场监管'],
  ['name', 'ACTIVE', 'ACTIVE'], // what people wrote is shown as they wrote it
  ['status', 'ACTIVE', '正常'],
  ['anything', null, ''],
])('%s %j reads %s', (key, value, text) => expect(readable(key, value)).toBe(text))
