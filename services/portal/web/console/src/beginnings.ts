// What may be begun from an institution's page: its account reported, a contract
// offered, an entry on a list proposed, its end; and an offer to take over where one ends. The fields are those of the published
// requests: one that goes away breaks the build.
import type { Action, Field, Schema, Service } from './api'
import { t } from './catalogue'

/** A Beginning makes a new case; at is the page of what it made. */
export interface Beginning { service: Service; action: Action; at: (made: { id: string }) => string }

interface Asked<Name extends string> { name: Name; label: string; type: string; required?: boolean; choices?: string[]; names?: string[]; value?: string }

const form = <Request>(label: string, href: string, fields: Asked<keyof Request & string>[]): Action => ({
  action: 'begin', label, method: 'POST', href, reason: false, fields: fields.map((f): Field => ({ ...f, required: f.required ?? true })),
})

/** beginnings is what somebody of roles may begin for the institution id. */
export function beginnings(id: string, roles: string[]): Beginning[] {
  const fixed = { name: 'institution', label: '', type: 'fixed', value: id } as const
  const all: (Beginning & { role: string })[] = [
    {
      role: 'examiner', service: 'licensing', at: (made) => `/list-entries/${made.id}`,
      action: form<Schema<'Licensing_LicensingProposeListEntry'>>(t('begin.entry'), '/v1/list-entries', [
        fixed, { name: 'list', label: t('begin.list'), type: 'choice', choices: ['WHITE', 'BLACK'] }, { name: 'facts', label: t('begin.facts'), type: 'text' },
        { name: 'basis', label: t('begin.basis'), type: 'text', required: false },
      ]),
    },
    {
      role: 'examiner', service: 'escrow', at: (made) => `/wind-downs/${made.id}`,
      action: form<Schema<'Escrow_EscrowBeginWindDown'>>(t('begin.end'), '/v1/wind-downs', [
        fixed, { name: 'ground', label: t('begin.ground'), type: 'choice', choices: ['list_decision', 'licence_revoked', 'closed_abnormal'] },
        { name: 'document_no', label: t('begin.document_no'), type: 'line' }, { name: 'reason', label: t('begin.end_reason'), type: 'text' },
        { name: 'stopped_on', label: t('begin.stopped_on'), type: 'date', required: false },
      ]),
    },
    {
      role: 'principal', service: 'escrow', at: () => `/accounts/${id}`,
      action: form<Schema<'Escrow_EscrowReportAccount'>>(t('begin.account'), '/v1/accounts', [
        fixed, { name: 'mode', label: t('begin.mode'), type: 'choice', choices: ['custody', 'deposit'] }, { name: 'bank', label: t('begin.bank'), type: 'line' },
        { name: 'account_tail', label: t('begin.account_tail'), type: 'line' }, { name: 'agreement_no', label: t('begin.agreement_no'), type: 'line' },
        { name: 'opened_on', label: t('begin.opened_on'), type: 'date' },
      ]),
    },
    {
      role: 'principal', service: 'escrow', at: (made) => `/contracts/${made.id}`,
      action: form<Schema<'Escrow_EscrowOfferContract'>>(t('begin.contract'), '/v1/contracts', [
        fixed, { name: 'billing', label: '', type: 'fixed', value: 'lesson' }, { name: 'parent', label: t('begin.parent'), type: 'line' },
        { name: 'pupil', label: t('begin.pupil'), type: 'line' }, { name: 'course', label: t('begin.course'), type: 'line' },
        { name: 'lessons', label: t('begin.lessons'), type: 'number' }, { name: 'gift_lessons', label: t('begin.gift_lessons'), type: 'number', required: false },
        { name: 'first_lesson', label: t('begin.first_lesson'), type: 'date' }, { name: 'last_lesson', label: t('begin.last_lesson'), type: 'date' },
        { name: 'price_fen', label: t('begin.price'), type: 'yuan' },
      ]),
    },
  ]
  return all.filter((b) => roles.includes(b.role))
}

/** takingOver is the offer of one of one's own institutions to the families of windDown. */
export const takingOver = (windDown: string, own: { id: string; name: string }[]): Action =>
  form<Schema<'Escrow_EscrowOfferTakeover'>>(t('winddown.offer'), `/v1/wind-downs/${windDown}/takeovers`, [
    { name: 'institution', label: t('winddown.by'), type: 'choice', choices: own.map((i) => i.id), names: own.map((i) => i.name) },
    { name: 'first_lesson', label: t('winddown.first_lesson'), type: 'date' }, { name: 'note', label: t('winddown.note'), type: 'text' },
  ])
