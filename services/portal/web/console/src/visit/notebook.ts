// What an officer wrote at a visit and the service has not confirmed yet, in this
// browser: it outlives a reload, a dead battery and a lost connection. What is here
// goes only when the service has answered with the same digests, or when the
// officer says so.
import Dexie, { type EntityTable } from 'dexie'
import type { Schema } from '../api'

export type View = Schema<'Inspection_InspectionVisitView'>
export type Finding = Schema<'Inspection_InspectionFinding'>

/**
 * draft: being written. waiting: to be sent. sending: under way. failed: refused, with
 * the reason. conflict: the service has another answer, which is beside it.
 */
export type State = 'draft' | 'waiting' | 'sending' | 'failed' | 'conflict'

export interface Answer {
  id: string // also the Idempotency-Key: another text has another
  by: string // the officer's account
  visit: string
  agency: string
  item: string
  problem: boolean | null // not said yet
  detail: string
  seen: string // digest of what the service had when this was written; '' is nothing
  tried: string[] // digests that were sent before, of which no answer may have come
  state: State
  why: string
  theirs: { by: string; problem: boolean; detail: string; digest: string } | null
  since: number // when it was begun, in milliseconds
}

export interface Photo {
  id: string // the attachment's id
  by: string
  visit: string
  item: string
  blob: Blob
  sha256: string
  sent: boolean // the service has confirmed these very bytes; the finding has not yet
}

export interface Kept { key: string; view: View }

export class Notebook extends Dexie {
  answers!: EntityTable<Answer, 'id'>
  photos!: EntityTable<Photo, 'id'>
  visits!: EntityTable<Kept, 'key'>

  constructor(name = 'xunguan-visits') {
    super(name)
    this.version(1).stores({ answers: 'id, [by+visit], [by+visit+item]', photos: 'id, [by+visit], [by+visit+item]', visits: 'key' })
  }
}

const hex = (bytes: ArrayBuffer): string => [...new Uint8Array(bytes)].map((b) => b.toString(16).padStart(2, '0')).join('')

export const sha256 = async (bytes: BufferSource): Promise<string> => hex(await crypto.subtle.digest('SHA-256', bytes))

/** digestOf is what the service calls a finding's digest: item, 1 for a problem or 0, detail, a line each. */
export const digestOf = (a: Pick<Answer, 'item' | 'problem' | 'detail'>): Promise<string> =>
  sha256(new TextEncoder().encode(`${a.item}\n${a.problem ? 1 : 0}\n${a.detail.trim()}`))
