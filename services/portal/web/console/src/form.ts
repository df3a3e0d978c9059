// The form of an action, out of the fields that its service asks for: what is in
// it at first, what is wrong with it, and the request that it makes.
import type { Action, Failure, Field } from './api'
import { t, word } from './catalogue'

export type Value = string | string[]
export type Values = Record<string, Value>

/** fieldsOf is what a asks for; a reason where the flow table demands one. */
export function fieldsOf(a: Action): Field[] {
  const fields = a.fields ?? []
  if (!a.reason || fields.some((f) => f.name === 'reason')) return fields
  return [...fields, { name: 'reason', label: t('form.reason'), type: 'text', required: true }]
}

/** picks reports whether f is any of several choices. */
export const picks = (f: Field): boolean => f.type === 'list' && !!f.choices?.length

/** first is what is in the form before anybody types. */
export function first(fields: Field[]): Values {
  return Object.fromEntries(
    fields.map((f) => [f.name, f.type === 'photos' ? [] : picks(f) ? (f.value ?? '').split('\n').filter((v) => f.choices!.includes(v)) : (f.value ?? '')]),
  )
}

/** choicesOf is f's choices with what people read for each. */
export function choicesOf(f: Field): { value: string; name: string }[] {
  return (f.choices ?? []).map((value, i) => ({ value, name: f.names?.[i] ?? word(f.name, value) }))
}

const empty = (v: Value | undefined): boolean => v === undefined || (typeof v === 'string' ? v.trim() === '' : v.length === 0)

/** An Error names the field that it is about; '' is the form as a whole. */
export interface FormError { field: string; text: string }

/** missing is what must be filled in and is not, and what should be a number and is none. */
export function missing(fields: Field[], values: Values): FormError[] {
  return fields.flatMap((f) => {
    if (f.type === 'fixed') return []
    const v = values[f.name]
    if (empty(v)) return f.required ? [{ field: f.name, text: t('form.required', { field: f.label }) }] : []
    const number = (f.type === 'number' || f.type === 'yuan') && !Number.isFinite(Number(v))
    return number ? [{ field: f.name, text: t('form.number', { field: f.label }) }] : []
  })
}

/** refused is what a service found wrong, each with the field that it is about. */
export function refused(fields: Field[], failure: Failure): FormError[] {
  return failure.errors.map((e) => {
    const name = e.pointer.replace(/^\//, '').replaceAll('/', '.')
    const field = fields.find((f) => name === f.name || name.startsWith(`${f.name}.`))
    return { field: field?.name ?? '', text: field ? t('form.refused', { field: field.label, detail: e.detail }) : e.detail }
  })
}

/** bodyOf is the request. An empty field is left out; a.b is b of a. */
export function bodyOf(fields: Field[], values: Values): Record<string, unknown> {
  const body: Record<string, unknown> = {}
  for (const f of fields) {
    const v = f.type === 'fixed' ? f.value : values[f.name]
    if (!empty(v)) put(body, f.name.split('.'), typed(f, v!))
  }
  return body
}

function typed(f: Field, v: Value): unknown {
  if (Array.isArray(v)) return v
  switch (f.type) {
    case 'number': return Number(v)
    case 'yuan': return Math.round(Number(v) * 100) // money is 分 in the services
    case 'boolean': return v === 'true'
    case 'list': return v.split('\n').map((line) => line.trim()).filter((line) => line !== '')
    default: return v.trim()
  }
}

function put(into: Record<string, unknown>, [name, ...rest]: string[], value: unknown): void {
  if (rest.length === 0) into[name!] = value
  else put((into[name!] ??= {}) as Record<string, unknown>, rest, value)
}
