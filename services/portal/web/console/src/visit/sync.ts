// Brings what is in the notebook to the service: photos first, then the answer they
// belong to. Any step may be repeated: all have ids of their own. A local copy is
// removed only when the service has answered with the same digests.
import { t } from '../catalogue'
import { failureOf, type Failure } from '../api'
import { digestOf, type Answer, type Finding, type Notebook, type View } from './notebook'

/** Remote is the service. Each call throws the problem, or why no answer came. */
export interface Remote {
  photo(id: string, blob: Blob): Promise<{ sent_sha256?: string | undefined }>
  answer(a: Answer, photos: string[]): Promise<View>
  visit(id: string): Promise<View>
}

/** Round is how a synchronisation ended: all is sent, or why the rest waits. */
export interface Round { view?: View; stopped?: Failure }

/** passing reports whether a failure is of the connection, the service or the login, and no word on what was sent. */
const passing = (f: Failure): boolean => f.status === 0 || f.status === 401 || f.status === 429 || f.status >= 500 || f.type.endsWith(':in_flight')

const findingOf = (view: View, a: Answer): Finding | undefined =>
  view.parts?.find((p) => p.agency === a.agency)?.findings?.find((f) => f.item === a.item)

/** sync sends all that waits of by's visit. What is refused stays, with the reason, and the rest goes on. */
export async function sync(book: Notebook, remote: Remote, by: string, visit: string): Promise<Round> {
  const round: Round = {}
  // A page that was closed while it sent left these behind: nobody knows what became of them.
  await book.answers.where({ by, visit }).and((a) => a.state === 'sending').modify({ state: 'waiting' })
  const waiting = await book.answers.where({ by, visit }).and((a) => a.state === 'waiting').sortBy('since')
  for (const a of waiting) {
    try {
      const view = await one(book, remote, a)
      if (view) round.view = view
    } catch (thrown) {
      const failure = failureOf(thrown)
      await change(book, a.id, passing(failure) ? { state: 'waiting', why: failure.detail } : { state: 'failed', why: detailOf(failure) })
      if (passing(failure)) return { ...round, stopped: failure }
    }
  }
  return round
}

const detailOf = (f: Failure): string => f.errors.map((e) => e.detail).join('；') || f.detail

const change = (book: Notebook, id: string, by: Partial<Answer>) => book.answers.update(id, by)

/** one sends a with its photos and removes both once they are confirmed. */
async function one(book: Notebook, remote: Remote, a: Answer): Promise<View | undefined> {
  const digest = await digestOf(a)
  await change(book, a.id, { state: 'sending', why: '', tried: [...new Set([...a.tried, digest])] })
  const photos = await book.photos.where({ by: a.by, visit: a.visit, item: a.item }).toArray()
  for (const p of photos) {
    if (p.sent) continue
    const said = await remote.photo(p.id, p.blob)
    if (said.sent_sha256 !== p.sha256) throw differs()
    await book.photos.update(p.id, { sent: true })
  }
  let view: View
  try {
    view = await remote.answer(a, photos.map((p) => p.id))
  } catch (thrown) {
    if (failureOf(thrown).type.endsWith(':conflict')) return beside(book, remote, a, digest, thrown)
    // The service forgets photos that no finding took in time: they are sent anew.
    await book.photos.where('id').anyOf(photos.map((p) => p.id)).modify({ sent: false })
    throw thrown
  }
  const found = findingOf(view, a)
  const there = new Map(found?.photos?.map((p) => [p.id, p.sent_sha256]))
  if (found?.digest !== digest || photos.some((p) => there.get(p.id) !== p.sha256)) throw differs()
  await book.transaction('rw', book.answers, book.photos, async () => {
    const now = await book.answers.get(a.id)
    if (now?.state !== 'sending') return // it was written on meanwhile
    await book.answers.delete(a.id)
    await book.photos.bulkDelete(photos.map((p) => p.id))
  })
  return view
}

/** beside keeps the service's answer next to one's own, unless it is one's own, sent before. */
async function beside(book: Notebook, remote: Remote, a: Answer, digest: string, refusal: unknown): Promise<View> {
  const view = await remote.visit(a.visit)
  const theirs = findingOf(view, a)
  if (!theirs || theirs.digest === a.seen || theirs.digest === digest) throw refusal // another conflict: the part is signed
  if (a.tried.includes(theirs.digest)) {
    await change(book, a.id, { seen: theirs.digest, state: 'sending' })
    return (await one(book, remote, { ...a, seen: theirs.digest })) ?? view
  }
  await change(book, a.id, { state: 'conflict', theirs: { by: theirs.recorded_by, problem: theirs.problem, detail: theirs.detail, digest: theirs.digest } })
  return view
}

function differs(): object {
  return { status: 409, type: 'urn:xunguan:digest', detail: t('field.differs') }
}

/** settle ends a conflict as the officer decides: one's own, the other's, or both. */
export async function settle(book: Notebook, id: string, choice: 'mine' | 'theirs' | 'both'): Promise<void> {
  const a = await book.answers.get(id)
  if (!a?.theirs) return
  const t = a.theirs
  if (choice === 'theirs' && (await book.photos.where({ by: a.by, visit: a.visit, item: a.item }).count()) === 0) {
    await book.answers.delete(id)
    return
  }
  // The other's words, with one's own photos, if there are such.
  const text = { mine: a.detail, theirs: t.detail, both: `${t.detail}\n${a.detail}` }[choice]
  const problem = { mine: a.problem, theirs: t.problem, both: t.problem || !!a.problem }[choice]
  await book.transaction('rw', book.answers, async () => {
    await book.answers.delete(id)
    await book.answers.add({ ...a, id: crypto.randomUUID(), detail: text, problem, seen: t.digest, theirs: null, tried: [], state: 'waiting', why: '' })
  })
}
