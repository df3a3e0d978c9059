// How to read one case of each kind, by the address of its page.
import { answer, api, type Action, type Service } from './api'

const path = (id: string) => ({ params: { path: { id } } })

/** readers is each kind of case that has a page: the service that keeps it, and how it is read. */
export const readers = {
  applications: { service: 'licensing', read: (id: string) => answer(api.GET('/api/licensing/v1/applications/{id}', path(id))) },
  'list-entries': { service: 'licensing', read: (id: string) => answer(api.GET('/api/licensing/v1/list-entries/{id}', path(id))) },
  institutions: { service: 'licensing', read: (id: string) => answer(api.GET('/api/licensing/v1/institutions/{id}', path(id))) },
  flags: { service: 'escrow', read: (id: string) => answer(api.GET('/api/escrow/v1/flags/{id}', path(id))) },
  contracts: { service: 'escrow', read: (id: string) => answer(api.GET('/api/escrow/v1/contracts/{id}', path(id))) },
  accounts: { service: 'escrow', read: (institution: string) => answer(api.GET('/api/escrow/v1/accounts/{institution}', { params: { path: { institution } } })) },
  discrepancies: { service: 'escrow', read: (id: string) => answer(api.GET('/api/escrow/v1/discrepancies/{id}', path(id))) },
  warnings: { service: 'escrow', read: (institution: string) => answer(api.GET('/api/escrow/v1/warnings/{institution}', { params: { path: { institution } } })) },
  'wind-downs': { service: 'escrow', read: (id: string) => answer(api.GET('/api/escrow/v1/wind-downs/{id}', path(id))) },
  tips: { service: 'tipoff', read: (id: string) => answer(api.GET('/api/tipoff/v1/tips/{id}', path(id))) },
  tasks: { service: 'inspection', read: (id: string) => answer(api.GET('/api/inspection/v1/tasks/{id}', path(id))) },
  visits: { service: 'inspection', read: (id: string) => answer(api.GET('/api/inspection/v1/visits/{id}', path(id))) },
  rectifications: { service: 'inspection', read: (id: string) => answer(api.GET('/api/inspection/v1/rectifications/{id}', path(id))) },
  'follow-ups': { service: 'inspection', read: (id: string) => answer(api.GET('/api/inspection/v1/follow-ups/{id}', path(id))) },
} satisfies Record<string, { service: Service; read: (id: string) => Promise<object> }>

/** actionsAt is what may be done about the case whose page is at href; nothing where a page has no case. */
export async function actionsAt(href: string): Promise<Action[]> {
  const [, kind = '', id = ''] = href.split('/')
  if (!(kind in readers)) return []
  const found = await readers[kind as keyof typeof readers].read(id)
  return ('actions' in found ? (found.actions as Action[] | null) : null) ?? []
}
