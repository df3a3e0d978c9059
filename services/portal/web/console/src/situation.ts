// The situation: at most eight figures, each out of what a service counts anyway,
// with what it means, as of when, and the list behind it.
import { answer, api, type Schema } from './api'
import { t, word } from './catalogue'

/** A Figure stands for the list at to; what says what is counted. */
export interface Figure { name: string; value: string; what: string; to: string }
/** A Table is numbers by kind, for a chart and for the table behind it. */
export interface Table { title: string; rows: { name: string; value: number }[] }
/** A Part is what one service counts, and of which place. */
export interface Part { as_of: string; place: string; figures: Figure[]; tables: Table[] }

export function ofLicensing(s: Schema<'Licensing_LicensingSummary'>): Part {
  const list = (name: 'WHITE' | 'BLACK') => String(s.by_list?.[name] ?? 0)
  return {
    as_of: s.as_of,
    place: s.place ?? t('situation.everywhere'),
    figures: [
      { name: t('situation.institutions'), value: String(s.institutions), what: t('situation.institutions_what'), to: '/institutions' },
      { name: t('situation.white'), value: list('WHITE'), what: t('situation.white_what'), to: '/list-entries?list=WHITE&state=PUBLISHED' },
      { name: t('situation.black'), value: list('BLACK'), what: t('situation.black_what'), to: '/list-entries?list=BLACK&state=PUBLISHED' },
    ],
    tables: [{ title: t('situation.by_status'), rows: Object.entries(s.by_status ?? {}).map(([status, value]) => ({ name: word('status', status), value })) }],
  }
}

export function ofEscrow(s: Schema<'Escrow_EscrowSummary'>): Part {
  return {
    as_of: s.as_of,
    place: s.place ?? t('situation.everywhere'),
    figures: [{ name: t('situation.flags'), value: String(s.open_flags), what: t('situation.flags_what'), to: '/flags?state=OPEN' }],
    tables: [],
  }
}

export function ofInspection(s: Schema<'Inspection_InspectionPublicFigures'>): Part {
  const counts = s.counts ?? []
  const sum = (kind: string, state?: string) => String(counts.filter((c) => c.kind === kind && (!state || c.state === state)).reduce((n, c) => n + c.n, 0))
  const byKind = ['RANDOM', 'JOINT', 'SWEEP'].map((kind) => ({ name: word('tasks', kind), value: Number(sum(kind)) }))
  return {
    as_of: s.as_of,
    place: s.place ?? t('situation.everywhere'),
    figures: [
      { name: t('situation.joint'), value: sum('JOINT'), what: t('situation.joint_what'), to: '/tasks?kind=JOINT' },
      { name: t('situation.overdue'), value: sum('RECTIFICATION', 'OVERDUE'), what: t('situation.overdue_what'), to: '/rectifications?state=OVERDUE' },
    ],
    tables: [{ title: t('situation.by_kind'), rows: byKind }],
  }
}

/** ofTipoff: who is no official is not told of a state with few tip-offs, so that nobody is found in a small place. */
export function ofTipoff(s: Schema<'Tipoff_TipoffSummary'>): Part {
  const handling = s.by_state?.find((c) => c.name === 'HANDLING')
  return {
    as_of: s.as_of,
    place: s.place ?? t('situation.everywhere'),
    figures: [
      { name: t('situation.tips'), value: String(s.total), what: t('situation.tips_what'), to: '/tips' },
      { name: t('situation.handling'), value: handling || s.place ? String(handling?.count ?? 0) : t('situation.few'), what: t('situation.handling_what'), to: '/tips?state=HANDLING' },
    ],
    tables: [{ title: t('situation.by_category'), rows: (s.by_category ?? []).map((c) => ({ name: c.name, value: c.count })) }],
  }
}

/** parts is how each service is asked. */
export const parts = {
  licensing: async () => ofLicensing(await answer(api.GET('/api/licensing/v1/summary'))),
  escrow: async () => ofEscrow(await answer(api.GET('/api/escrow/v1/summary'))),
  inspection: async () => ofInspection(await answer(api.GET('/api/inspection/v1/summary'))),
  tipoff: async () => ofTipoff(await answer(api.GET('/api/tipoff/v1/summary'))),
}
