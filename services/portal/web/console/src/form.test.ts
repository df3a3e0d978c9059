import { expect, test } from 'vitest'
import type { Action, Field } from './api'
import { bodyOf, choicesOf, fieldsOf, first, missing, refused } from './form'

const field = (name: string, type: string, more: Partial<Field> = {}): Field => ({ name, label: name, type, required: false, ...more })
const action = (more: Partial<Action>): Action => ({ action: 'x', label: 'X', method: 'POST', href: '/v1/x', reason: false, ...more })

test('a reason is asked for where the flow table demands one, and once', () => {
  expect(fieldsOf(action({ reason: true })).map((f) => [f.name, f.required])).toEqual([['reason', true]])
  expect(fieldsOf(action({ reason: true, fields: [field('reason', 'choice')] }))).toHaveLength(1)
  expect(fieldsOf(action({}))).toEqual([])
})

test('each kind of field makes its kind of value, and what is empty is left out', () => {
  const fields = [
    field('decision', 'fixed', { value: 'grant' }), field('area', 'number'), field('price_fen', 'yuan'), field('passed', 'boolean'), field('missing', 'list'),
    field('officers', 'list', { choices: ['a', 'b'] }), field('sponsor.name', 'line'), field('sponsor.uscc', 'line'), field('note', 'text'),
  ]
  const values = { area: '12.5', price_fen: '2999.9', passed: 'false', missing: '房产证\n\n 消防意见 ', officers: ['b'], 'sponsor.name': ' 甲 ', 'sponsor.uscc': 'X', note: '  ' }
  expect(bodyOf(fields, values)).toEqual({
    decision: 'grant', area: 12.5, price_fen: 299990, passed: false, missing: ['房产证', '消防意见'], officers: ['b'], sponsor: { name: '甲', uscc: 'X' },
  })
})

test('what is required and empty, or no number, is named with its field', () => {
  const fields = [field('text', 'text', { required: true }), field('area', 'number', { required: true }), field('who', 'list', { required: true, choices: ['a'] }), field('free', 'text')]
  expect(missing(fields, { text: ' ', area: '十', who: [], free: '' }).map((e) => e.field)).toEqual(['text', 'area', 'who'])
  expect(missing(fields, { text: 'a', area: '10', who: ['a'], free: '' })).toEqual([])
})

test('what a service refuses is put at its field; what has none stands alone', () => {
  const found = refused([field('sponsor.uscc', 'line')], {
    status: 400, type: '', detail: '', rules: [], errors: [{ pointer: '/sponsor/uscc', detail: '校验位不符' }, { pointer: '/body', detail: '有误' }],
  })
  expect(found).toEqual([{ field: 'sponsor.uscc', text: 'sponsor.uscc：校验位不符' }, { field: '', text: '有误' }])
})

test('a form begins with what the service filled in, less what is no choice', () => {
  expect(first([field('a', 'text', { value: '原来的' }), field('b', 'list', { choices: ['x', 'y'], value: 'y\nz' })])).toEqual({ a: '原来的', b: ['y'] })
})

test('choices have the names that the service gives, else the words for their codes', () => {
  expect(choicesOf(field('owner', 'choice', { choices: ['market'] }))).toEqual([{ value: 'market', name: '市场监管' }])
  expect(choicesOf(field('item', 'choice', { choices: ['1'], names: ['一'] }))).toEqual([{ value: '1', name: '一' }])
})
