// How the console speaks to the services: reads are typed by the published
// document, and an action is sent to the address that the service gave with it.
import { api, patience, problemOf, type components } from '@xunguan/client'
import { session } from './session'

export { api }

type Schemas = components['schemas']
export type Schema<Name extends keyof Schemas> = Schemas[Name]

/** An action that a service offers, and what it asks for. */
export type Action = Schema<'Licensing_FlowAction'>
export type Field = Schema<'Licensing_FlowField'>
/** The rule that something rests on. */
export type Ground = Schema<'Licensing_FaultGround'>

export type Service = 'licensing' | 'escrow' | 'inspection' | 'tipoff' | 'rulebook' | 'portal'

/** Failure is why a service did not do what was asked, fit to show. */
export interface Failure {
  status: number // 0: no answer came
  type: string
  detail: string
  errors: { pointer: string; detail: string }[]
  rules: Ground[]
}

/** failureOf is what to tell people of whatever went wrong. */
export function failureOf(thrown: unknown): Failure {
  const p = problemOf(thrown) as Partial<Failure> & { detail: string }
  return { status: p.status ?? 0, type: p.type ?? '', detail: p.detail, errors: p.errors ?? [], rules: p.rules ?? [] }
}

/** answer is the data of a call, or throws its failure. */
export async function answer<T>(call: Promise<{ data?: T; error?: unknown }>): Promise<T> {
  const { data, error } = await call
  if (data === undefined) throw error
  return data
}

/** Photo is a photo that a service took in. */
export type Photo = Schema<'Inspection_AttachAttachment'>

/**
 * sendPhoto adds file to inspection under id, of one's own making: sent again it
 * is the same photo. It throws the problem, or why no answer came.
 */
export async function sendPhoto(id: string, file: Blob): Promise<Photo> {
  const form = new FormData()
  form.append('file', file, 'photo')
  const response = await fetch(`/api/inspection/v1/photos/${id}`, {
    method: 'POST',
    headers: { 'Idempotency-Key': id, 'X-CSRF-Token': session.value?.csrf ?? '' },
    body: form,
    signal: AbortSignal.timeout(3 * patience),
  })
  const said: unknown = await response.json()
  if (!response.ok) throw said
  return said as Photo
}

/**
 * send posts body to href of service. key makes it act once however often it is
 * sent: keep it until an answer came. It throws the problem, or why none came.
 */
export async function send(service: Service, href: string, key: string, body: unknown): Promise<unknown> {
  const response = await fetch(`/api/${service}${href}`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', 'Idempotency-Key': key, 'X-CSRF-Token': session.value?.csrf ?? '' },
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(patience),
  })
  const text = await response.text()
  const said: unknown = text === '' ? {} : JSON.parse(text)
  if (!response.ok) throw said
  return said
}
