/**
 * Fills the receipt in that a scanned picture brought along. It comes behind the
 * #, which is not sent, and does not stay in the history.
 */
export function fillTrack(page: Document) {
  const form = page.querySelector<HTMLFormElement>('#track')
  const [number, code] = decodeURIComponent(location.hash.slice(1)).split('/')
  if (!form || !number || !code) return
  history.replaceState(null, '', location.pathname)
  form.querySelector<HTMLInputElement>('#number')!.value = number
  form.querySelector<HTMLInputElement>('#code')!.value = code
  form.querySelector('button')?.focus()
}
