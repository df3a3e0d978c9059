// The periods of a case, as each service tells of them, in one shape.
import type { Schema } from './api'
import { t, word } from './catalogue'
import type { Term } from './components/TermList.vue'

/** ofDeadlines is licensing's. */
export function ofDeadlines(deadlines: Schema<'Licensing_LicensingDeadline'>[] | null): Term[] {
  return (deadlines ?? []).map((d) => ({
    label: d.label, from: d.from, due: d.due, provisional: d.provisional, open: d.open, light: d.light, days: d.days_left, rule: d.rule,
  }))
}

/** ofClocks is tipoff's, with how long each stood still. */
export function ofClocks(clocks: Schema<'Tipoff_TipoffClock'>[] | null): Term[] {
  const time = (amount: number, unit: string) => t('term.time', { amount, unit: word('unit', unit) })
  return (clocks ?? []).map((c) => ({
    label: c.label, from: c.from, due: c.due, provisional: c.provisional, open: !c.met_on, light: c.light, days: c.days_left, met: c.met_on, rule: c.rule,
    ...(c.paused > 0 ? { paused: time(c.paused, c.unit) } : {}),
    ...(c.extra > 0 ? { extended: time(c.extra, c.unit) } : {}),
  }))
}
