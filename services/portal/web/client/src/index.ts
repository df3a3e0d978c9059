// The typed client of every service: paths, requests and answers as
// /api/openapi.json describes them. What changes something carries the session's
// CSRF token and an Idempotency-Key, so that sending it again has no second effect.
import createClient, { type Middleware } from 'openapi-fetch'
import sentences from './zh-CN.json'
import type { components, paths } from './schema'

export type { components, paths } from './schema'

/** What a service answers when it does not do what was asked (RFC 9457). */
export type Problem = components['schemas']['Portal_FaultProblem']

/** How long the page waits for a service before it says so, in milliseconds. */
export const patience = 10_000

const identity: Middleware = {
  async onRequest({ request }) {
    if (request.method === 'GET') return
    if (!request.headers.has('Idempotency-Key')) request.headers.set('Idempotency-Key', crypto.randomUUID())
    const session = await fetch('/session', { signal: AbortSignal.timeout(patience) })
    if (session.ok) request.headers.set('X-CSRF-Token', (await session.json()).csrf)
  },
}

export const api = createClient<paths>({
  baseUrl: '/',
  fetch: (request) => fetch(request, { signal: AbortSignal.any([request.signal, AbortSignal.timeout(patience)]) }),
})
api.use(identity)

/** What to tell people of a call that failed: the service's own words, or that it did not answer. */
export function problemOf(failure: unknown): Problem {
  if (typeof failure === 'object' && failure !== null && 'detail' in failure) return failure as Problem
  const late = failure instanceof DOMException && failure.name === 'TimeoutError'
  const detail = late ? sentences.late : sentences.unreachable
  return { type: 'urn:xunguan:problem:unavailable', status: 503, detail }
}
