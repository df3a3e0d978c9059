// How values are written for people. Money is 分 in the services and 元 here; a
// date is a day in Shanghai, wherever the browser is.
import { coded, t, word } from './catalogue'

/** yuan is money in 元, with both digits of 分 and commas for thousands. */
export function yuan(fen: number): string {
  const text = (Math.abs(fen) / 100).toFixed(2).replace(/\B(?=(\d{3})+(?!\d))/g, ',')
  return t('format.yuan', { amount: (fen < 0 ? '-' : '') + text })
}

/** date is 2026-03-04 in words; '' of none. */
export function date(iso: string | undefined | null): string {
  const parts = /^(\d{4})-(\d{2})-(\d{2})/.exec(iso ?? '')
  return parts ? t('format.date', { y: parts[1]!, m: Number(parts[2]), d: Number(parts[3]) }) : ''
}

const shanghai = new Intl.DateTimeFormat('zh-CN', {
  timeZone: 'Asia/Shanghai', year: 'numeric', month: 'numeric', day: 'numeric', hour: '2-digit', minute: '2-digit', hour12: false,
})

/** moment is a time in words, in Shanghai; '' of none. */
export function moment(iso: string | undefined | null): string {
  if (!iso) return ''
  const part = Object.fromEntries(shanghai.formatToParts(new Date(iso)).map((p) => [p.type, p.value]))
  return t('format.moment', { y: part.year!, m: part.month!, d: part.day!, time: `${part.hour}:${part.minute}` })
}

/** readable is a field's value for people, by the field's name. */
export function readable(key: string, value: unknown): string {
  if (value === null || value === undefined) return ''
  if (Array.isArray(value)) return value.map((v) => readable(key, v)).join(t('format.and'))
  if (typeof value === 'boolean') return value ? t('format.yes') : t('format.no')
  if (typeof value === 'number') return key.endsWith('_fen') ? yuan(value) : String(value)
  if (typeof value === 'object') return ''
  const text = String(value)
  if (/^\d{4}-\d{2}-\d{2}$/.test(text)) return date(text)
  if (/^\d{4}-\d{2}-\d{2}T/.test(text)) return moment(text)
  return coded(key) ? word(key, text) : text
}
