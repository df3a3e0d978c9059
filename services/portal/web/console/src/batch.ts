// One action for many cases of one kind: it is offered only where the flow table
// says so and the services offer the very same form for every one of them. Each
// case is sent, checked and answered on its own.
import { failureOf, send, type Action, type Failure, type Service } from './api'

/** most is how many are done at once, so that somebody still looks. */
export const most = 50

/** A Case is one item of a batch with what may be done about it. */
export interface Case { id: string; title: string; service: Service; actions: Action[] }

/** shared is the actions that may be taken for all of cases at once. */
export function shared(cases: Case[]): Action[] {
  const [one, ...others] = cases
  const form = (a: Action) => JSON.stringify([a.action, a.label, a.reason, a.fields ?? []])
  return (one?.actions ?? []).filter((a) => a.batch && others.every((c) => c.actions.some((b) => b.batch && form(a) === form(b))))
}

/** A Result is what came of one case; without a failure it is done. */
export interface Result { case: Case; key: string; failure?: Failure }

/**
 * take takes action for each of cases, one after the other, and tells of each as
 * it is done. A case that was sent before keeps its key, so that one whose answer
 * was lost is not done twice.
 */
export async function take(cases: Case[], action: string, body: unknown, before: Result[], tell: (r: Result) => void): Promise<void> {
  for (const c of cases) {
    const key = before.find((r) => r.case.id === c.id)?.key ?? crypto.randomUUID()
    const href = c.actions.find((a) => a.action === action)!.href
    try {
      await send(c.service, href, key, body)
      tell({ case: c, key })
    } catch (thrown) {
      tell({ case: c, key, failure: failureOf(thrown) })
    }
  }
}
