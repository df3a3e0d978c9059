// What each printed paper says. All of it comes from the case; a paper that the
// case has not come to yet does not exist.
import type { Ground, Schema } from './api'
import { readers } from './cases'
import { t, word } from './catalogue'
import type { Fact } from './components/FactList.vue'
import { facts } from './facts'
import { date } from './format'
import { papersOf, type Paper } from './papers'

export type Kind = 'applications' | 'institutions' | 'list-entries'

/** A Sheet is a paper ready to be printed. */
export interface Sheet { title: string; number: string; to: string; text: string[]; facts: Fact[]; items: string[]; rules: string[]; office: string; date: string }

const none = { status: 404, type: '', detail: '' }
const ruleText = (g: Ground) => t('paper.rule', { source: g.source, key: g.key, version: g.version, value: String(g.value), unit: word('unit', g.unit) })

/** readSheet is the paper of a case. It throws a 404 for one that does not exist. */
export async function readSheet(kind: Kind, id: string, paper: string): Promise<Sheet> {
  switch (kind) {
    case 'applications': return ofApplication(await readers.applications.read(id), paper as Paper)
    case 'list-entries': return ofEntry(await readers['list-entries'].read(id), paper)
    case 'institutions': return licence(await readers.institutions.read(id))
  }
}

/** ofApplication is a paper of the licensing procedure. */
export function ofApplication(a: Schema<'Licensing_LicensingApplicationPage'>, paper: Paper): Sheet {
  const found = papersOf(a).find((p) => p.kind === paper)
  if (!found) throw { ...none, detail: t('paper.none') }
  // Who acted and when is in the timeline: the step that brought the paper forth.
  const step = (a.timeline ?? []).findLast((e) => actionsOf[paper].includes(e.action))
  const name = { name: a.name, received: date(a.received_on), accepted: date(a.accepted_on), decide: date(a.decide_by), decided: date(a.decided_on), number: a.licence_number, reason: a.reason }
  const text: Record<Paper, string[]> = {
    correction: [t('paper.correction_text', name)],
    acceptance: [t(a.deemed ? 'paper.deemed_text' : 'paper.acceptance_text', name), t('paper.acceptance_due', name)],
    'no-acceptance': [t('paper.no_acceptance_text', name), t('paper.reason', name), t('paper.review')],
    grant: [t('paper.grant_text', name)],
    refusal: [t('paper.refusal_text', name), t('paper.reason', name), t('paper.review')],
  }
  return {
    title: found.title, number: t('paper.number', { id: a.id }), to: a.sponsor.name, text: text[paper],
    facts: facts(a, ['name', 'category', 'item', 'address', 'place', 'area_m2', 'capacity']),
    items: paper === 'correction' ? (a.missing ?? []) : [],
    rules: (step?.grounds ?? []).map(ruleText), office: officeOf(step?.actor), date: date(step?.at),
  }
}

const actionsOf: Record<Paper, string[]> = {
  correction: ['return'], acceptance: ['accept', 'deem_accepted'], 'no-acceptance': ['refuse_acceptance'], grant: ['grant'], refusal: ['refuse'],
}

/** officeOf is the office of an actor, who is written as 办公室（账号）. */
export const officeOf = (actor = ''): string => actor.replace(/（[^（）]*）$/, '')

/** ofEntry is what an institution is told before it is listed, and when. */
export function ofEntry(e: Schema<'Licensing_LicensingListEntryPage'>, paper: string): Sheet {
  const heard = paper === 'hearing'
  const listed = paper === 'listing' && e.since !== ''
  if (e.list !== 'BLACK' || !(heard || listed)) throw { ...none, detail: t('paper.none') }
  const name = { name: e.institution, facts: e.facts, until: date(e.statement_until), since: date(e.since), end: date(e.until) }
  return {
    title: heard ? t('paper.hearing') : t('paper.listing'), number: t('paper.number', { id: e.id }), to: e.institution,
    text: heard ? [t('paper.hearing_text', name), t('paper.hearing_right', name)] : [t('paper.listing_text', name), e.basis, e.objection],
    facts: [], items: [], rules: (e.grounds ?? []).map(ruleText),
    office: heard ? e.office : e.decided_by, date: date(heard ? e.proposed_on : e.since),
  }
}

/** licence is the certificate of an institution. */
export function licence(i: Schema<'Licensing_LicensingInstitutionPage'>): Sheet {
  return {
    title: t('paper.licence_title'), number: i.licence_number, to: '', text: i.status === 'ACTIVE' ? [] : [t('paper.licence_void', { status: i.status_text, since: date(i.status_since) })],
    facts: [
      ...facts(i, ['name', 'address', 'place', 'category', 'item', 'kind', 'mode', 'legal_form', 'area_m2', 'capacity', 'uscc']),
      { name: t('institution.validity'), text: t('institution.from_to', { from: date(i.valid_from), to: date(i.valid_until) }) },
    ],
    items: [], rules: [], office: i.issued_by, date: date(i.valid_from),
  }
}
