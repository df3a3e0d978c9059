import { expect, test } from 'vitest'
import type { Schema } from './api'
import { papersOf } from './papers'
import { licence, ofApplication, ofEntry, officeOf } from './sheet'

const application = {
  id: '7', name: '示例美术', state: 'ACCEPTED', received_on: '2026-11-16', accepted_on: '2026-11-17', decide_by: '2026-12-15', decided_on: '', returned: true, deemed: false,
  missing: ['房屋租赁合同'], reason: '', licence_number: '', category: 'culture_arts', item: '美术', address: '示例路 1 号', place: '江苏省苏州市姑苏区', area_m2: 240, capacity: 48,
  sponsor: { name: '示例公司', uscc: 'X' },
  timeline: [
    { action: 'return', label: '一次告知补正', actor: '苏州市姑苏区教育局（examiner）', at: '2026-11-16T09:00:00+08:00', note: '', basis: '', from: '', to: '', grounds: [] },
    { action: 'accept', label: '受理', actor: '苏州市姑苏区教育局（examiner）', at: '2026-11-17T09:00:00+08:00', note: '', basis: '', from: '', to: '', grounds: [{ key: 'licence.decide', value: 20, unit: 'working_day', version: 1, source: '《行政许可法》第四十二条', jurisdiction: '000000', provenance: 'V', inputs: {} }] },
  ],
} as unknown as Schema<'Licensing_LicensingApplicationPage'>

test('there are the papers that the case has come to, and no others', () => {
  expect(papersOf(application).map((p) => p.kind)).toEqual(['correction', 'acceptance'])
  expect(() => ofApplication(application, 'grant')).toThrow()
})

test('a paper says who, when, what and by which rule', () => {
  const sheet = ofApplication(application, 'acceptance')
  expect(sheet).toMatchObject({ title: '受理通知书', to: '示例公司', office: '苏州市姑苏区教育局', date: '2026 年 11 月 17 日', items: [] })
  expect(sheet.text.join('')).toContain('2026 年 12 月 15 日')
  expect(sheet.rules[0]).toContain('《行政许可法》第四十二条')
  expect(ofApplication(application, 'correction').items).toEqual(['房屋租赁合同'])
})

test('nobody is told that a list has them before it is so', () => {
  const entry = { id: '8', list: 'BLACK', institution: '示例美术', facts: '逾期未整改', statement_until: '2026-11-27', since: '', until: '', proposed_on: '2026-11-20', office: '姑苏区教育局', grounds: [] } as unknown as Schema<'Licensing_LicensingListEntryPage'>
  expect(ofEntry(entry, 'hearing').text.join('')).toContain('2026 年 11 月 27 日')
  expect(() => ofEntry(entry, 'listing')).toThrow()
})

test('a licence that is void says so', () => {
  const i = { status: 'REVOKED', status_text: '已吊销', status_since: '2026-11-01', valid_from: '2026-01-01', valid_until: '2029-12-31', licence_number: '教民1号', issued_by: '姑苏区教育局' } as Schema<'Licensing_LicensingInstitutionPage'>
  expect(licence(i).text.join('')).toContain('已吊销')
  expect(licence({ ...i, status: 'ACTIVE' }).text).toEqual([])
})

test('an office is written without the account that acted', () => {
  expect(officeOf('苏州市姑苏区教育局（examiner）')).toBe('苏州市姑苏区教育局')
  expect(officeOf(undefined)).toBe('')
})
