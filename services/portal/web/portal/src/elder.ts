import { t } from './catalogue'

/** Switches elder mode in place: a page that answers a form cannot be asked for again. */
export function switchElder(page: Document) {
  const link = page.querySelector<HTMLAnchorElement>('#elder')
  link?.removeAttribute('hidden')
  link?.addEventListener('click', async (click) => {
    click.preventDefault()
    const on = page.documentElement.classList.toggle('elder')
    link.textContent = t(on ? 'elder.on' : 'elder.off')
    await fetch(`/elder?on=${on ? 1 : 0}&to=/robots.txt`)
  })
}
