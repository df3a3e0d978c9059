// Rows of facts out of a service's answer. The keys are those of the published
// document: one that goes away breaks the build, not the page.
import type { Fact } from './components/FactList.vue'
import { label } from './catalogue'
import { readable } from './format'

/** facts is what is at keys, in that order, under the names people read. */
export function facts<T extends object>(of: T, keys: (keyof T & string)[], within = ''): Fact[] {
  return keys.map((key) => ({ name: label(key, within), text: remarkable.has(key) && !of[key] ? '' : readable(key, of[key]) }))
}

/** linked is a fact that leads to a page, if it is there. */
export const linked = (name: string, text: string | undefined, to: string): Fact => ({ name, text: text ?? '', to })

/** remarkable is what is said only when it is so. */
const remarkable = new Set(['returned', 'deemed', 'by_silence', 'gift', 'late', 'published', 'place', 'history', 'set_aside', 'provisional', 'returns', 'amended', 'stuck'])
