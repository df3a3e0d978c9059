// What makes the pages that the server writes more convenient. All of it may be
// missing: each page works without, only with less comfort.
import { guard } from './guard'
import { keep } from './receipt'

// Elder mode in place: a page that answers a form cannot be asked for again.
const elder = document.querySelector<HTMLAnchorElement>('#elder')
elder?.removeAttribute('hidden')
elder?.addEventListener('click', async (click) => {
  click.preventDefault()
  const on = !document.documentElement.classList.contains('elder')
  document.documentElement.classList.toggle('elder', on)
  elder.textContent = on ? '标准版' : '长辈版'
  await fetch(`/elder?on=${on ? 1 : 0}&to=/robots.txt`)
})

for (const button of document.querySelectorAll<HTMLElement>('[data-print]')) {
  button.hidden = false
  button.addEventListener('click', () => window.print())
}

// The code of a receipt comes behind the #, which is not sent and does not stay
// in the history.
const track = document.querySelector<HTMLFormElement>('#track')
const [number, code] = decodeURIComponent(location.hash.slice(1)).split('/')
if (track && number && code) {
  history.replaceState(null, '', location.pathname)
  track.querySelector<HTMLInputElement>('#number')!.value = number
  track.querySelector<HTMLInputElement>('#code')!.value = code
  track.querySelector('button')?.focus()
}

keep(document)
guard(document)
