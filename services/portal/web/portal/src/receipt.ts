/** Lets a reporter go on from the receipt only after it was saved in some way. */
export function keep(page: Document) {
  const next = page.querySelector<HTMLAnchorElement>('#next')
  const ways = [...page.querySelectorAll<HTMLElement>('[data-saves]')]
  if (!next || ways.length === 0) return
  const said = page.querySelector('#said')
  const to = next.href
  next.removeAttribute('href')
  next.setAttribute('role', 'link')
  next.setAttribute('aria-disabled', 'true')
  next.tabIndex = 0
  const leave = (event: Event) => event.preventDefault()
  window.addEventListener('beforeunload', leave)
  next.addEventListener('click', () => {
    if (!next.href && said) said.textContent = '请先用上面任何一种办法留下查询码。'
  })
  const saved = (how: string) => {
    next.href = to
    next.removeAttribute('role')
    next.removeAttribute('aria-disabled')
    window.removeEventListener('beforeunload', leave)
    if (said) said.textContent = how
  }
  for (const way of ways) {
    if (way.dataset.copy !== undefined) {
      way.hidden = false
      way.addEventListener('click', async () => {
        const text = way.dataset.copy!.split(' ').map((id) => page.getElementById(id)?.textContent).join(' ')
        try {
          await navigator.clipboard.writeText(text)
          saved('已复制，请粘贴到备忘录保存。')
        } catch {
          if (said) said.textContent = '浏览器不允许复制，请抄下或下载。'
        }
      })
      continue
    }
    way.addEventListener(way instanceof HTMLLabelElement || way instanceof HTMLInputElement ? 'change' : 'click', () => saved('已留下查询码，可以离开本页。'))
  }
}
