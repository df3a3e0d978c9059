// What a page needs to open without a connection: the console's own files, kept by
// the service worker, and who was logged in. No service's answer is kept here, and
// nothing by which one could act: to send anything one must be logged in again.
import { session, type Session } from './session'

const key = 'xunguan.offline'

/** prepareOffline keeps what this page has loaded, and who is here. It reports whether it could. */
export async function prepareOffline(): Promise<boolean> {
  if (!('serviceWorker' in navigator) || !session.value) return false
  const { subject, roles, agency, jurisdiction } = session.value
  localStorage.setItem(key, JSON.stringify({ subject, roles, agency, jurisdiction }))
  await navigator.serviceWorker.register('/assets/console/sw.js', { scope: '/console/' })
  const worker = (await navigator.serviceWorker.ready).active
  if (!worker) return false
  const loaded = performance.getEntriesByType('resource').map((entry) => entry.name).filter((name) => name.includes('/assets/console/'))
  const { port1, port2 } = new MessageChannel()
  const kept = new Promise<boolean>((resolve) => { port1.onmessage = () => resolve(true) })
  worker.postMessage([...new Set(loaded)], [port2])
  await navigator.storage?.persist?.() // else the browser may drop it when space runs out
  return kept
}

/** rememberSession lets the page of a visit open for who was here last, when nobody can be asked. */
export function rememberSession(): void {
  const kept = localStorage.getItem(key)
  if (!kept || !location.pathname.startsWith('/console/visits/')) return
  session.value = { ...(JSON.parse(kept) as Session), csrf: '', expires_at: '' }
}

/** forgetSession is for who logs out: the next one here opens nothing in their name. */
export const forgetSession = (): void => localStorage.removeItem(key)
