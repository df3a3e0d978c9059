import { t } from './catalogue'

/** How long a form waits in silence, in milliseconds. */
export const silence = 4000

/**
 * Guards what is typed: leaving a page with it asks first, a form is sent once,
 * and one whose answer does not come says so and can be taken back as it is.
 */
export function guard(page: Document) {
  for (const form of page.querySelectorAll<HTMLFormElement>('form[method=post]')) {
    let changed = false
    let sending = false
    form.addEventListener('input', () => { changed = true })
    window.addEventListener('beforeunload', (event) => {
      if (changed && !sending && form.dataset.guard !== undefined) event.preventDefault()
    })
    form.addEventListener('submit', (event) => {
      if (sending) return event.preventDefault()
      sending = true
      const waiting = window.setTimeout(() => ask(page, form, () => { sending = false }), silence)
      window.addEventListener('pagehide', () => window.clearTimeout(waiting), { once: true })
    })
  }
}

function ask(page: Document, form: HTMLFormElement, again: () => void) {
  const note = page.createElement('p')
  note.className = 'waiting'
  note.setAttribute('role', 'status')
  note.textContent = t('waiting.still')
  const stop = page.createElement('button')
  stop.type = 'button'
  stop.textContent = t('waiting.stop')
  stop.addEventListener('click', () => {
    window.stop()
    again()
    note.textContent = t('waiting.stopped')
  })
  note.append(stop)
  form.append(note)
}
