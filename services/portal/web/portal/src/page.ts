// What makes the pages that the server writes more convenient. All of it may be
// missing: each page works without, only with less comfort.
import { switchElder } from './elder'
import { guard } from './guard'
import { keep } from './receipt'
import { fillTrack } from './track'

for (const button of document.querySelectorAll<HTMLElement>('[data-print]')) {
  button.hidden = false
  button.addEventListener('click', () => window.print())
}

switchElder(document)
fillTrack(document)
keep(document)
guard(document)
