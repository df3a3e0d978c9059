// Who is logged in at the staff door.
import { patience } from '@xunguan/client'
import { computed, shallowRef } from 'vue'

export interface Session {
  subject: string
  roles: string[]
  agency: string
  jurisdiction: string
  csrf: string
  expires_at: string
}

/** session is null when nobody is logged in. */
export const session = shallowRef<Session | null>(null)

export const holds = (...roles: string[]): boolean => roles.some((role) => session.value?.roles.includes(role))

/** institution reports whether an institution's principal is logged in; all others are officials. */
export const institution = computed(() => holds('principal'))

/** findSession asks the door who is logged in. It throws if the door does not answer. */
export async function findSession(): Promise<void> {
  const response = await fetch('/session', { signal: AbortSignal.timeout(patience) })
  if (response.ok) session.value = (await response.json()) as Session
  else if (response.status === 401) session.value = null
  else throw await response.json()
}
