import { beforeEach, expect, test, vi } from 'vitest'
import { switchElder } from './elder'
import { guard, silence } from './guard'
import { keep } from './receipt'
import { fillTrack } from './track'

const at = <E extends HTMLElement>(selector: string) => document.querySelector<E>(selector)!
/** Whether a click is let through to where it leads. */
const goes = (e: HTMLElement) => {
  const click = new MouseEvent('click', { bubbles: true, cancelable: true })
  e.dispatchEvent(click)
  return !click.defaultPrevented
}

beforeEach(() => {
  document.documentElement.className = ''
  vi.unstubAllGlobals()
  vi.useRealTimers()
})

test('elder mode is switched in place, and told to the server', () => {
  document.body.innerHTML = '<a id="elder" href="/elder?on=1" hidden>长辈版</a>'
  const told = vi.fn(async () => new Response())
  vi.stubGlobal('fetch', told)
  switchElder(document)
  expect(at('#elder').hidden).toBe(false)
  expect(goes(at('#elder'))).toBe(false)
  expect(document.documentElement.classList.contains('elder')).toBe(true)
  expect(at('#elder').textContent).toBe('标准版')
  goes(at('#elder'))
  expect(at('#elder').textContent).toBe('长辈版')
  expect(told.mock.calls).toEqual([['/elder?on=1&to=/robots.txt'], ['/elder?on=0&to=/robots.txt']])
})

const receipt = '<b id="number">TS-1</b><b id="code">ABC</b><button data-copy="number code" data-saves hidden></button><a id="file" href="#f" data-saves></a><p id="said"></p><a id="next" href="#next"></a>'

test('one goes on from the receipt only after it was kept', () => {
  document.body.innerHTML = receipt
  keep(document)
  expect(goes(at('#next'))).toBe(false)
  expect(at('#said').textContent).toContain('请先')
  goes(at('#file'))
  expect(goes(at('#next'))).toBe(true)
  expect(at('#next').hasAttribute('aria-disabled')).toBe(false)
})

test('the receipt is copied, or the page says that it was not', async () => {
  for (const allowed of [false, true]) {
    document.body.innerHTML = receipt
    const write = vi.fn(async () => { if (!allowed) throw new Error('refused') })
    vi.stubGlobal('navigator', { clipboard: { writeText: write } })
    keep(document)
    goes(at('button'))
    await vi.waitFor(() => expect(at('#said').textContent).toBe(allowed ? '已复制，请粘贴到备忘录保存。' : '浏览器不允许复制，请抄下或下载。'))
    expect(write).toHaveBeenCalledWith('TS-1 ABC')
    expect(goes(at('#next'))).toBe(allowed)
    goes(at('#file')) // there is always another way
    expect(goes(at('#next'))).toBe(true)
  }
})

test('a form is sent once; without an answer the page says so, and stopping lets one send again', () => {
  vi.useFakeTimers()
  document.body.innerHTML = '<form method="post" data-guard><input></form>'
  const stopped = vi.fn()
  vi.stubGlobal('stop', stopped)
  guard(document)
  const send = () => {
    const submit = new Event('submit', { cancelable: true })
    at('form').dispatchEvent(submit)
    return !submit.defaultPrevented
  }
  expect([send(), send()]).toEqual([true, false])
  vi.advanceTimersByTime(silence - 1)
  expect(document.querySelector('[role=status]')).toBeNull()
  vi.advanceTimersByTime(1)
  expect(at('[role=status]').textContent).toContain('服务迟迟没有答复')
  goes(at('[role=status] button'))
  expect(stopped).toHaveBeenCalledOnce()
  expect(at('[role=status]').textContent).toContain('再次提交不会重复')
  expect(send()).toBe(true)
})

test('leaving asks first where something was typed and not sent', () => {
  document.body.innerHTML = '<form method="post" data-guard><input></form>'
  guard(document)
  const leaves = () => {
    const unload = new Event('beforeunload', { cancelable: true })
    window.dispatchEvent(unload)
    return !unload.defaultPrevented
  }
  expect(leaves()).toBe(true)
  at('form').dispatchEvent(new Event('input'))
  expect(leaves()).toBe(false)
  at('form').dispatchEvent(new Event('submit', { cancelable: true }))
  expect(leaves()).toBe(true)
})

test('a scanned receipt is filled in and leaves the address', () => {
  document.body.innerHTML = '<form id="track"><input id="number"><input id="code"><button></button></form>'
  history.replaceState(null, '', '/tipoff/track#TS-1/AB%20C')
  fillTrack(document)
  expect([at<HTMLInputElement>('#number').value, at<HTMLInputElement>('#code').value]).toEqual(['TS-1', 'AB C'])
  expect(location.hash).toBe('')
})
