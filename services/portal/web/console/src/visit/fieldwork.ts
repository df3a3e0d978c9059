// The visit that an officer has open: what is written here and not confirmed yet,
// kept at every stroke, and sent when there is a connection: at once, when the
// browser says that it is back, and every minute.
import { onBeforeUnmount, ref, shallowRef, type Ref } from 'vue'
import { answer, api, send, sendPhoto, type Failure } from '../api'
import { findSession, session } from '../session'
import { Notebook, sha256, type Answer, type Finding, type Photo, type View } from './notebook'
import { shrink } from './shrink'
import { settle, sync, type Remote } from './sync'

const book = new Notebook()
const minute = 60_000

/** old is how long something may wait before the page warns: browsers may drop what is kept for longer. */
export const old = 5 * 24 * 60 * minute

const remote: Remote = {
  photo: sendPhoto,
  answer: (a, photos) => send('inspection', `/v1/visits/${a.visit}/parts/${a.agency}/findings`, a.id,
    { item: a.item, problem: a.problem, detail: a.detail.trim(), seen: a.seen, photos }) as Promise<View>,
  visit: readVisit,
}

function readVisit(id: string): Promise<View> {
  return answer(api.GET('/api/inspection/v1/visits/{id}', { params: { path: { id } } }))
}

const me = () => session.value?.subject ?? ''

/** readKept is the visit as the service has it, or as it was when it was last read here. */
export async function readKept(id: string): Promise<View> {
  const key = `${me()} ${id}`
  try {
    const view = await readVisit(id)
    await book.visits.put({ key, view })
    return view
  } catch (thrown) {
    const kept = thrown instanceof TypeError || thrown instanceof DOMException ? await book.visits.get(key) : undefined
    if (kept) return kept.view
    throw thrown
  }
}

export interface Fieldwork {
  answers: Ref<Answer[]>
  photos: Ref<Photo[]>
  stopped: Ref<Failure | undefined>
  write: (item: string, had: Finding | undefined, change: Partial<Answer>) => Promise<void>
  add: (item: string, file: Blob) => Promise<void>
  drop: (id: string) => Promise<void>
  save: (item: string) => Promise<void>
  retry: (id: string) => Promise<void>
  decide: (id: string, choice: 'mine' | 'theirs' | 'both') => Promise<void>
  go: () => Promise<void>
}

/** useFieldwork keeps and sends the answers of one visit; sent is called with the visit as it is then. */
export function useFieldwork(visit: string, agency: string, sent: (view: View) => void): Fieldwork {
  const answers = ref<Answer[]>([])
  const photos = shallowRef<Photo[]>([])
  const stopped = shallowRef<Failure>()

  async function show(): Promise<void> {
    answers.value = await book.answers.where({ by: me(), visit }).sortBy('since')
    photos.value = await book.photos.where({ by: me(), visit }).toArray()
  }

  // Strokes are written down in their order.
  let last = Promise.resolve()
  function queue(act: () => Promise<unknown>): Promise<void> {
    last = last.then(act, act).then(show)
    return last
  }

  const of = (item: string) => book.answers.where({ by: me(), visit, item }).first()

  function write(item: string, had: Finding | undefined, change: Partial<Answer>): Promise<void> {
    return queue(async () => {
      const was = await of(item)
      const next: Answer = {
        ...(was ?? { by: me(), visit, agency, item, problem: had?.problem ?? null, detail: had?.detail ?? '', seen: had?.digest ?? '', tried: [], why: '', theirs: null, since: Date.now() }),
        ...change, id: crypto.randomUUID(), state: was?.state === 'conflict' ? 'conflict' : 'draft', why: '',
      }
      await book.transaction('rw', book.answers, async () => {
        if (was) await book.answers.delete(was.id)
        await book.answers.add(next)
      })
    })
  }

  let running: Promise<void> | undefined
  function go(): Promise<void> {
    running ??= navigator.locks.request(`xunguan visit ${visit}`, async () => {
      try {
        const was = me()
        await findSession() // while there was no connection one may have been logged out, or another in
        if (me() !== was) {
          if (session.value) location.reload()
          return
        }
        const round = await sync(book, remote, me(), visit)
        stopped.value = round.stopped
        if (round.view) {
          await book.visits.put({ key: `${me()} ${visit}`, view: round.view })
          sent(round.view)
        }
      } catch {
        // No connection: the next minute tries again.
      }
    }).finally(() => { running = undefined }).then(show)
    return running
  }

  const timer = setInterval(() => void go(), minute)
  const back = () => void go()
  window.addEventListener('online', back)
  onBeforeUnmount(() => { clearInterval(timer); window.removeEventListener('online', back) })
  void show().then(go)

  return {
    answers, photos, stopped, write, go,
    add: async (item, file) => {
      const blob = await shrink(file)
      const sum = await sha256(await blob.arrayBuffer())
      await queue(() => book.photos.add({ id: crypto.randomUUID(), by: me(), visit, item, blob, sha256: sum, sent: false }))
    },
    drop: (id) => queue(() => book.photos.delete(id)),
    save: async (item) => {
      await queue(async () => { const a = await of(item); if (a) await book.answers.update(a.id, { state: 'waiting' }) })
      void go()
    },
    retry: async (id) => { await queue(() => book.answers.update(id, { state: 'waiting', why: '' })); void go() },
    decide: async (id, choice) => { await queue(() => settle(book, id, choice)); void go() },
  }
}
