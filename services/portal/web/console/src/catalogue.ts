// What the console says: its own sentences out of zh-CN.json, and the words for
// the services' codes and fields, which it shares with the server's own pages.
import words from '../../../words.json'
import sentences from './zh-CN.json'

export type Sentence = keyof typeof sentences

const names: Record<string, string> = words.names
const labels: Record<string, string> = words.labels

/** t is a sentence with its {gaps} filled. */
export function t(key: Sentence, gaps: Record<string, string | number> = {}): string {
  return sentences[key].replace(/\{(\w+)\}/g, (gap, name: string) => String(gaps[name] ?? gap))
}

/** word is what people read for a code that came under key; some mean something else there. */
export function word(key: string, code: string): string {
  return names[`${key}.${code}`] ?? names[code] ?? code
}

/** coded reports whether the field called key holds codes. */
export const coded = (key: string): boolean => words.coded.includes(key)

/** label is what people read for a field, which may depend on what it is part of. */
export function label(key: string, within = ''): string {
  return labels[`${within}.${key}`] ?? labels[key] ?? key
}
