import { t } from './catalogue'

/** Lets a reporter go on from the receipt only after it was saved in some way. */
export function keep(page: Document) {
  const next = page.querySelector<HTMLAnchorElement>('#next')
  const ways = [...page.querySelectorAll<HTMLElement>('[data-saves]')]
  if (!next || ways.length === 0) return
  const said = page.querySelector('#said')
  const say = (words: string) => { if (said) said.textContent = words }
  next.setAttribute('aria-disabled', 'true')
  const leave = (event: Event) => event.preventDefault()
  const refuse = (event: Event) => {
    event.preventDefault()
    say(t('receipt.first'))
  }
  window.addEventListener('beforeunload', leave)
  next.addEventListener('click', refuse)
  const saved = (how: string) => {
    next.removeAttribute('aria-disabled')
    next.removeEventListener('click', refuse)
    window.removeEventListener('beforeunload', leave)
    say(how)
  }
  for (const way of ways) {
    if (way.dataset.copy !== undefined) {
      way.hidden = false
      way.addEventListener('click', async () => {
        const text = way.dataset.copy!.split(' ').map((id) => page.getElementById(id)?.textContent).join(' ')
        try {
          await navigator.clipboard.writeText(text)
          saved(t('receipt.copied'))
        } catch {
          say(t('receipt.uncopied'))
        }
      })
      continue
    }
    way.addEventListener(way instanceof HTMLInputElement ? 'change' : 'click', () => saved(t('receipt.kept')))
  }
}
