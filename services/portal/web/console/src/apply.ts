// An application for a licence, a part at a time. The parts and their fields are
// those of the published request: a field that goes away breaks the build.
import type { Field, Schema } from './api'
import { t } from './catalogue'
import { missing, type Values } from './form'

type Request = Schema<'Licensing_LicensingSubmitApplication'>
type Name = Exclude<keyof Request, 'sponsor'> | `sponsor.${keyof Request['sponsor']}`

/** A Part is one task of the list. */
export interface Part { key: string; title: string; fields: Field[] }

interface Asked extends Field { name: Name }

/** partsOf is the task list, with the items of the category that is chosen. */
export function partsOf(categories: Schema<'Licensing_LicensingCategoryItems'>[], values: Values): Part[] {
  const asked = (name: Name, type: string, choices?: string[], names?: string[]): Asked => ({
    name, type, label: t(`apply.${name}`), required: true, ...(choices ? { choices } : {}), ...(names ? { names } : {}),
  })
  const items = categories.find((c) => c.category === values.category)?.items ?? []
  return [
    { key: 'sponsor', title: t('apply.part_sponsor'), fields: [asked('sponsor.name', 'line'), asked('sponsor.uscc', 'line')] },
    { key: 'training', title: t('apply.part_training'), fields: [
      asked('name', 'line'), asked('category', 'choice', categories.map((c) => c.category), categories.map((c) => c.name)),
      ...(items.length ? [asked('item', 'choice', items)] : []),
      asked('mode', 'choice', ['offline', 'online']), asked('legal_form', 'choice', ['for_profit', 'non_profit']),
    ] },
    { key: 'place', title: t('apply.part_place'), fields: [asked('jurisdiction', 'place'), asked('address', 'line'), asked('area_m2', 'number'), asked('capacity', 'number')] },
  ]
}

export type Status = 'todo' | 'begun' | 'done'

/** statusOf is how far a part is. */
export function statusOf(part: Part, values: Values): Status {
  if (missing(part.fields, values).length === 0) return 'done'
  return part.fields.some((f) => (values[f.name] ?? '') !== '') ? 'begun' : 'todo'
}

const key = 'xunguan.application'

/** A Draft is kept in this browser until it is submitted; its key makes the submission act once. */
export interface Draft { key: string; values: Values }

export function findDraft(): Draft {
  try {
    const kept = JSON.parse(localStorage.getItem(key) ?? '') as Draft
    if (kept.key && kept.values) return kept
  } catch { /* none was kept */ }
  return { key: crypto.randomUUID(), values: {} }
}

export const keepDraft = (draft: Draft): void => localStorage.setItem(key, JSON.stringify(draft))
export const dropDraft = (): void => localStorage.removeItem(key)
