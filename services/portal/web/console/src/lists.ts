// The lists of the console: what each shows of a row, and how it may be narrowed.
import { answer, api, type Schema } from './api'
import { label, t, word } from './catalogue'
import type { Cell, Column, Filter, Page } from './components/QueryTable.vue'
import { readable } from './format'

/** A List is one kind of case, read by what the address asks for. */
export interface List<Row extends object> {
  title: string
  note?: string
  columns: Column<Row>[]
  filters?: Filter[]
  idOf: (row: Row) => string
  read: (asked: Record<string, string>) => Promise<Page<Row>>
}

type Asked = Record<string, string>

/** columns is one column for each key; the first leads to the row's page, if it has one. */
function columns<Row extends object>(keys: (keyof Row & string)[], to?: (row: Row) => string, within = ''): Column<Row>[] {
  return keys.map((key, i) => ({
    key, name: label(key, within),
    cell: (row: Row): Cell => ({ text: readable(key, row[key]), ...(i === 0 && to ? { to: to(row) } : {}) }),
  }))
}

const choices = (key: string, codes: string[]) => codes.map((value) => ({ value, name: word(key, value) }))
const codes = (name: string, within: string, values: string[]): Filter => ({ name, label: label(name), choices: choices(within, values) })

/** numbered is a page of a service that counts its pages. */
function numbered<Row extends object>(asked: Asked, found: { items: Row[] | null; more: boolean }): Page<Row> {
  const page = { rows: found.items ?? [] }
  return found.more ? { ...page, next: { page: String(Number(asked.page ?? 1) + 1) } } : page
}

const pageOf = (asked: Asked) => ({ page: Number(asked.page ?? 1) })
const when = <K extends string>(key: K, value: string | undefined) => (value ? { [key]: value } : {})

const applicationStates: Schema<'Licensing_LicensingState'>[] = ['SUBMITTED', 'RETURNED', 'NOT_ACCEPTED', 'ACCEPTED', 'PUBLIC_NOTICE', 'GRANTED', 'REFUSED', 'WITHDRAWN']
const entryStates: Schema<'Licensing_LicensingEntryState'>[] = ['PROPOSED', 'APPROVED', 'REFUSED', 'PUBLISHED', 'REMOVED']
const tipStates: Schema<'Tipoff_TipoffState'>[] = ['RECEIVED', 'TRIAGED', 'DISPATCHED', 'RETURNED', 'DISPATCHED_AGAIN', 'ARBITRATION', 'ASSIGNED', 'HANDLING', 'WAITING', 'ANSWERED', 'CLOSED', 'MERGED', 'NOT_TRAINING']
// eslint-disable-next-line no-restricted-syntax -- tipoff's codes for them are words
const tipCategories: Schema<'Tipoff_TipoffCategory'>[] = ['超期预收费', '退费难', '无证照培训', '虚假宣传', '超标超前', '违规高收费', '占用节假日', '在职教师', '消防安全', '其他', '非培训事项']
const taskStates = ['PLANNED', 'COMMITTED', 'DRAWN', 'VISITING', 'VISITED', 'RECTIFYING', 'RECTIFIED', 'FAILED', 'ESCALATED', 'ORDERED', 'CLOSED', 'PUBLISHED', 'WITHDRAWN', 'CANCELLED']

const applications: List<Schema<'Licensing_LicensingApplication'>> = {
  title: t('list.applications'),
  columns: columns(['name', 'state_text', 'category', 'item', 'received_on', 'decide_by'], (a) => `/applications/${a.id}`),
  filters: [codes('state', 'applications', applicationStates)],
  idOf: (a) => a.id,
  read: async (asked) => numbered(asked, await answer(api.GET('/api/licensing/v1/applications', { params: { query: { ...pageOf(asked), ...when('state', asked.state) } as object } }))),
}

const institutions: List<Schema<'Licensing_LicensingInstitution'>> = {
  title: t('list.institutions'),
  columns: columns(['name', 'status_text', 'licence_number', 'uscc', 'valid_until', 'place'], (i) => `/institutions/${i.id}`),
  idOf: (i) => i.id,
  read: async (asked) => numbered(asked, await answer(api.GET('/api/licensing/v1/institutions', { params: { query: pageOf(asked) } }))),
}

const listEntries: List<Schema<'Licensing_LicensingListEntry'>> = {
  title: t('list.list_entries'),
  columns: columns(['institution', 'list', 'state_text', 'proposed_on', 'statement_until', 'since', 'until'], (e) => `/list-entries/${e.id}`, 'list-entries'),
  filters: [codes('list', 'list', ['WHITE', 'BLACK']), codes('state', 'list-entries', entryStates)],
  idOf: (e) => e.id,
  read: async (asked) => numbered(asked, await answer(api.GET('/api/licensing/v1/list-entries', { params: { query: { ...pageOf(asked), ...when('list', asked.list), ...when('state', asked.state) } as object } }))),
}

const flags: List<Schema<'Escrow_EscrowFlagView'>> = {
  title: t('list.flags'),
  columns: [
    ...columns<Schema<'Escrow_EscrowFlagView'>>(['explanation', 'state_text'], (f) => `/flags/${f.id}`),
    { key: 'due', name: t('inbox.term'), cell: (f) => (f.light ? { text: '', lamp: [{ light: f.light, days: f.days_left ?? null, due: f.due, provisional: f.provisional }] } : { text: '' }) },
    ...columns<Schema<'Escrow_EscrowFlagView'>>(['raised_on', 'cleared_on']),
  ],
  filters: [codes('state', 'flags', ['OPEN', 'CLEARED'])],
  idOf: (f) => f.id,
  read: async (asked) => numbered(asked, await answer(api.GET('/api/escrow/v1/flags', { params: { query: { ...pageOf(asked), ...when('state', asked.state) } as object } }))),
}

const contracts: List<Schema<'Escrow_EscrowContractLine'>> = {
  title: t('list.contracts'),
  columns: columns(['course', 'institution_name', 'state_text', 'lessons', 'price_fen', 'held_fen', 'open_flags'], (c) => `/contracts/${c.id}`),
  idOf: (c) => c.id,
  read: async (asked) => numbered(asked, await answer(api.GET('/api/escrow/v1/contracts', { params: { query: pageOf(asked) } }))),
}

type Alert = Schema<'Escrow_EscrowAlertView'>
const alerts: List<Alert> = {
  title: t('list.alerts'),
  note: t('list.alerts_note'),
  columns: [
    ...columns<Alert>(['institution_name', 'level_text', 'words', 'state'], (a) => `/accounts/${a.institution}`, 'alerts'),
    { key: 'due', name: t('inbox.term'), cell: (a) => (a.light ? { text: '', lamp: [{ light: a.light, days: a.days_left, due: a.due, provisional: a.provisional }] } : { text: '' }) },
    ...columns<Alert>(['day', 'closed_on'], undefined, 'alerts'),
  ],
  filters: [codes('level', 'level', ['RED', 'YELLOW']), codes('state', 'alerts', ['OPEN', 'CLOSED'])],
  idOf: (a) => a.id,
  read: async (asked) => numbered(asked, await answer(api.GET('/api/escrow/v1/alerts', { params: { query: { ...pageOf(asked), ...when('level', asked.level), ...when('state', asked.state) } as object } }))),
}

type Day = Schema<'Escrow_EscrowReconciledView'>
const reconciliations: List<Day> = {
  title: t('list.reconciliations'),
  note: t('list.reconciliations_note'),
  columns: [
    { key: 'day', name: label('day', 'reconciliations'), cell: (r) => ({ text: readable('day', r.day), to: `/reconciliations/${r.institution}@${r.day}` }) },
    { key: 'institution_name', name: label('institution_name'), cell: (r) => ({ text: r.institution_name, to: `/accounts/${r.institution}` }) },
    ...columns<Day>(['orders_fen', 'lessons_fen', 'bank_in_fen', 'bank_out_fen', 'cover_percent', 'open'], undefined, 'reconciliations'),
  ],
  filters: [{ name: 'institution', label: t('list.institution_id') }],
  idOf: (r) => `${r.institution}@${r.day}`,
  read: async (asked) => numbered(asked, await answer(api.GET('/api/escrow/v1/reconciliations', { params: { query: { ...pageOf(asked), ...when('institution', asked.institution) } as object } }))),
}

type Difference = Schema<'Escrow_EscrowDiscrepancyView'>
const discrepancyKinds: Difference['kind'][] = ['missing_in', 'missing_out', 'unknown_in', 'unknown_out', 'amount', 'duplicate', 'balance', 'lessons', 'orders']
const discrepancies: List<Difference> = {
  title: t('list.discrepancies'),
  note: t('list.discrepancies_note'),
  columns: [
    ...columns<Difference>(['kind_text', 'institution_name', 'owner_text', 'state_text'], (d) => `/discrepancies/${d.id}`, 'discrepancies'),
    { key: 'due', name: t('inbox.term'), cell: (d) => (d.light ? { text: '', lamp: [{ light: d.light, days: d.days_left, due: d.due, provisional: d.provisional }] } : { text: '' }) },
    ...columns<Difference>(['expected_fen', 'actual_fen', 'day'], undefined, 'discrepancies'),
  ],
  filters: [codes('kind', 'kind', discrepancyKinds), codes('state', 'state', ['OPEN', 'EXPLAINED', 'CLOSED'])],
  idOf: (d) => d.id,
  read: async (asked) => numbered(asked, await answer(api.GET('/api/escrow/v1/discrepancies', { params: { query: { ...pageOf(asked), ...when('kind', asked.kind), ...when('state', asked.state) } as object } }))),
}

type Score = Schema<'Escrow_EscrowEarlyWarningView'>
const warnings: List<Score> = {
  title: t('list.warnings'),
  note: t('list.warnings_note'),
  columns: [
    { key: 'institution_name', name: label('institution_name'), cell: (w) => ({ text: w.institution_name, to: `/warnings/${w.institution}` }) },
    { key: 'band', name: label('band'), cell: (w) => ({ text: w.control ? w.control_text : (w.band_text ?? '') }) },
    { key: 'points', name: label('points'), cell: (w) => ({ text: w.control ? '' : readable('points', w.points) }) },
    { key: 'reasons', name: label('reasons'), cell: (w) => ({ text: (w.reasons ?? []).map((r) => word('signal', r.signal)).join('、') }) },
    ...columns<Score>(['since', 'on']),
  ],
  filters: [codes('band', 'band', ['RED', 'YELLOW', 'NONE', 'CONTROL'])],
  idOf: (w) => w.institution,
  read: async (asked) => numbered(asked, await answer(api.GET('/api/escrow/v1/warnings', { params: { query: { ...pageOf(asked), ...when('band', asked.band) } as object } }))),
}

type End = Schema<'Escrow_EscrowWindDownView'>
const windDowns: List<End> = {
  title: t('list.wind_downs'),
  note: t('list.wind_downs_note'),
  columns: columns<End>(['institution_name', 'state_text', 'ground_text', 'begun_on', 'choose_by'], (w) => `/wind-downs/${w.id}`, 'wind-downs'),
  filters: [codes('state', 'wind-downs', ['PROPOSED', 'OPEN', 'PAYING', 'DONE', 'WITHDRAWN'])],
  idOf: (w) => w.id,
  read: async (asked) => numbered(asked, await answer(api.GET('/api/escrow/v1/wind-downs', { params: { query: { ...pageOf(asked), ...when('state', asked.state) } as object } }))),
}

const tips: List<Schema<'Tipoff_TipoffFacts'>> = {
  title: t('list.tips'),
  columns: [
    ...columns<Schema<'Tipoff_TipoffFacts'>>(['number', 'state_name', 'category'], (tip) => `/tips/${tip.id}`),
    { key: 'subject', name: label('subject'), cell: ({ subject: s }) => ({ text: s.institution_name || s.place_signboard || s.place_address || s.person || '' }) },
    { key: 'due', name: t('inbox.term'), cell: (tip) => (tip.due ? { text: '', lamp: [{ light: tip.light, days: tip.days_left, due: tip.due, provisional: tip.provisional, paused: tip.state === 'WAITING' }] } : { text: '' }) },
    ...columns<Schema<'Tipoff_TipoffFacts'>>(['received_on', 'owner_office']),
  ],
  filters: [codes('state', 'tips', tipStates), { name: 'category', label: label('category'), choices: choices('category', tipCategories) }, { name: 'q', label: label('q') }],
  idOf: (tip) => tip.id,
  read: async (asked) => {
    const found = await answer(api.GET('/api/tipoff/v1/tips', { params: { query: { ...when('state', asked.state), ...when('category', asked.category), ...when('q', asked.q), ...when('after', asked.after) } as object } }))
    return { rows: found.items ?? [], ...(found.next ? { next: { after: found.next } } : {}) }
  },
}

const tasks: List<Schema<'Inspection_InspectionTask'>> = {
  title: t('list.tasks'),
  columns: columns(['title', 'kind', 'state_name', 'subject_name', 'agencies', 'visit_on', 'publish_due'], (task) => `/tasks/${task.id}`, 'tasks'),
  filters: [codes('kind', 'tasks', ['RANDOM', 'JOINT', 'SWEEP']), codes('state', 'tasks', taskStates)],
  idOf: (task) => task.id,
  read: async (asked) => ({ rows: (await answer(api.GET('/api/inspection/v1/tasks', { params: { query: { ...when('kind', asked.kind), ...when('state', asked.state) } as object } }))).tasks ?? [] }),
}

const visits: List<Schema<'Inspection_InspectionVisit'>> = {
  title: t('list.visits'),
  columns: columns(['name', 'state_name', 'on', 'agencies', 'signed', 'problems', 'completed_on'], (v) => `/visits/${v.id}`, 'visits'),
  idOf: (v) => v.id,
  read: async () => ({ rows: (await answer(api.GET('/api/inspection/v1/visits'))).visits ?? [] }),
}

const rectifications: List<Schema<'Inspection_InspectionRectification'>> = {
  title: t('list.rectifications'),
  columns: columns(['name', 'state_name', 'agency', 'demand', 'ordered_on', 'due'], (r) => `/rectifications/${r.id}`),
  filters: [codes('state', 'rectifications', ['ORDERED', 'SUBMITTED', 'OVERDUE', 'PASSED', 'FAILED'])],
  idOf: (r) => r.id,
  read: async (asked) => { // the service gives them all at once
    const all = (await answer(api.GET('/api/inspection/v1/rectifications'))).rectifications ?? []
    return { rows: all.filter((r) => !asked.state || r.state === asked.state) }
  },
}

const sweeps: List<Schema<'Inspection_InspectionLedgerLine'>> = {
  title: t('list.sweeps'),
  note: t('list.sweeps_note'),
  columns: columns(['title', 'signboard', 'stage', 'address', 'phone', 'ordered_on', 'due', 'closed_on'], (s) => `/tasks/${s.task_id}`),
  idOf: (s) => s.task_id,
  read: async () => ({ rows: (await answer(api.GET('/api/inspection/v1/sweeps'))).sweeps ?? [] }),
}

const followUps: List<Schema<'Inspection_InspectionFollowUp'>> = {
  title: t('list.follow_ups'),
  columns: columns(['name', 'state_name', 'since', 'waits'], (f) => `/follow-ups/${f.id}`),
  idOf: (f) => f.id,
  read: async () => ({ rows: (await answer(api.GET('/api/inspection/v1/follow-ups'))).follow_ups ?? [] }),
}

const officers: List<Schema<'Inspection_InspectionOfficerLine'>> = {
  title: t('list.officers'),
  columns: columns(['id', 'office', 'certificate', 'valid_until', 'valid', 'scope'], undefined, 'officers'),
  idOf: (o) => o.id,
  read: async () => ({ rows: (await answer(api.GET('/api/inspection/v1/officers'))).officers ?? [] }),
}

export const lists = {
  applications, institutions, 'list-entries': listEntries, flags, contracts, alerts, reconciliations, discrepancies, warnings, 'wind-downs': windDowns, tips, tasks, visits, rectifications, sweeps, 'follow-ups': followUps, officers,
}
export type ListName = keyof typeof lists
