// The papers that an application has brought forth: each has a print view of its own.
import type { Schema } from './api'
import { t } from './catalogue'

export type Paper = 'acceptance' | 'correction' | 'no-acceptance' | 'grant' | 'refusal'

/** papersOf is the papers that a has come to, in the order of the procedure. */
export function papersOf(a: Schema<'Licensing_LicensingApplicationPage'>): { kind: Paper; title: string }[] {
  const papers: { kind: Paper; title: string; there: boolean }[] = [
    { kind: 'correction', title: t('paper.correction'), there: a.returned && (a.missing ?? []).length > 0 },
    { kind: 'acceptance', title: t('paper.acceptance'), there: a.accepted_on !== '' },
    { kind: 'no-acceptance', title: t('paper.no_acceptance'), there: a.state === 'NOT_ACCEPTED' },
    { kind: 'grant', title: t('paper.grant'), there: a.state === 'GRANTED' },
    { kind: 'refusal', title: t('paper.refusal'), there: a.state === 'REFUSED' },
  ]
  return papers.filter((p) => p.there)
}
