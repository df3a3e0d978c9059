// The inbox: what waits for the caller at each service, as one list.
import { answer, api, failureOf, type Failure, type Service } from './api'
import type { Light } from './light'

/** An Item waits for somebody. terms is the periods that run beside the one in due. */
export interface Item {
  service: Service
  id: string
  kind: string
  title: string
  since: string
  due?: string
  provisional: boolean
  light: Light
  days_left?: number | null
  href: string
  paused?: boolean
  terms?: { label: string; due: string; provisional: boolean; light: Light; days_left: number }[] | null
}

/** Inbox is what waits, and which services did not say. */
export interface Inbox { items: Item[]; away: { service: Service; failure: Failure }[] }

/** The services that have an inbox; one that does not know the caller's role says 403. */
const asked = {
  licensing: () => answer(api.GET('/api/licensing/v1/inbox')),
  escrow: () => answer(api.GET('/api/escrow/v1/inbox')),
  inspection: () => answer(api.GET('/api/inspection/v1/inbox')),
  tipoff: () => answer(api.GET('/api/tipoff/v1/inbox')),
} satisfies Partial<Record<Service, () => Promise<{ items: Omit<Item, 'service'>[] | null }>>>

/** readInbox asks every service. One that is away takes nothing from the others. */
export async function readInbox(): Promise<Inbox> {
  const inbox: Inbox = { items: [], away: [] }
  await Promise.all(
    Object.entries(asked).map(async ([name, read]) => {
      const service = name as Service
      try {
        const { items } = await read()
        inbox.items.push(...(items ?? []).map((i) => ({ ...i, service })))
      } catch (thrown) {
        const failure = failureOf(thrown)
        if (failure.status !== 403) inbox.away.push({ service, failure })
      }
    }),
  )
  inbox.items.sort(byUrgency)
  return inbox
}

/** byUrgency puts the nearest last day first, and what has none last. */
export function byUrgency(a: Item, b: Item): number {
  const day = (i: Item) => i.due || '9999'
  return day(a).localeCompare(day(b)) || a.id.localeCompare(b.id)
}

/** narrowed is items by what the address asks for. */
export function narrowed(items: Item[], asked: Record<string, string>): Item[] {
  return items.filter((i) => (!asked.light || i.light === asked.light) && (!asked.kind || kindOf(i) === asked.kind) && (!asked.q || i.title.includes(asked.q)))
}

/** kindOf tells kinds of different services apart. */
export const kindOf = (i: Item): string => `${i.service}.${i.kind}`
