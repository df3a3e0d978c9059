// What every page must have in every state, whoever looks at it and on whatever
// screen; and how the tests become a person.
import { createRequire } from 'node:module'
import { readFileSync } from 'node:fs'
import { expect, type Locator, type Page } from '@playwright/test'
import { doors } from './playwright.config.ts'

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

/** A finding that stands, with the rule and the selector it stands for. */
export interface Exception { rule: string; selector: string; why: string }

declare global {
  interface Window { axe: { run(root: Document, options: object): Promise<{ violations: { id: string; help: string; nodes: { target: string[]; failureSummary: string }[] }[] }> } }
}

/** What axe is asked for: WCAG 2.2 AA; of larger letters, the colours being the same, only what their size may spoil. */
const wcag = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa']
const sizes = ['target-size', 'scrollable-region-focusable']

/** Nothing that axe finds by rules. */
async function accessible(page: Page, runOnly: string[], except: Exception[]) {
  if (!(await page.evaluate(() => 'axe' in window))) await page.evaluate(axe)
  const found = await page.evaluate(async (runOnly) => {
    const { violations } = await window.axe.run(document, { runOnly, resultTypes: ['violations'] })
    return violations.flatMap((v) => v.nodes.map((n) => ({ rule: v.id, at: n.target.join(' '), why: n.failureSummary })))
  }, runOnly)
  const rest = found.filter((f) => !except.some((e) => e.rule === f.rule && f.at.includes(e.selector)))
  expect.soft(rest, page.url()).toEqual([])
}

/** One language, one heading, nothing to scroll sideways for, nothing too small to hit. */
async function fits(page: Page, least: number) {
  const seen = await page.evaluate((least) => {
    const small = [...document.querySelectorAll<HTMLElement>('a[href], button, input:not([type=hidden]), select, textarea, summary')].filter((e) => {
      if (e.closest('.skip') || !e.checkVisibility({ visibilityProperty: true })) return false
      const inside = e.closest('label')
      const box = (inside ?? e).getBoundingClientRect()
      // A link within a sentence is as high as its line (WCAG 2.5.8).
      if (e.tagName === 'A' && getComputedStyle(e).display === 'inline') return false
      return box.width < least - 0.5 || box.height < least - 0.5
    }).map((e) => `${e.tagName} ${e.textContent?.trim() || e.getAttribute('name')} ${e.getBoundingClientRect().width}×${e.getBoundingClientRect().height}`)
    const root = document.documentElement
    return { lang: root.lang, headings: document.querySelectorAll('h1').length, wide: root.scrollWidth - root.clientWidth, small }
  }, least)
  expect.soft(seen, page.url()).toEqual({ lang: 'zh-CN', headings: 1, wide: 0, small: [] })
}

/** Tab reaches everything that can be worked. */
async function reachable(page: Page) {
  const all = await page.evaluate(() => {
    const stops = [...document.querySelectorAll<HTMLElement>('a[href], button:not([disabled]), input:not([type=hidden]):not([disabled]), select:not([disabled]), textarea:not([disabled]), summary')]
    return stops.filter((e) => e.tabIndex < 0 && e.checkVisibility({ visibilityProperty: true })).map((e) => e.outerHTML.slice(0, 120))
  })
  expect.soft(all, page.url()).toEqual([])
}

/** Presses Tab until what is wanted has the focus, which is seen. */
export async function tabTo(page: Page, wanted: Locator) {
  await wanted.waitFor()
  for (let i = 0; i < 80 && !(await wanted.evaluate((e) => e === document.activeElement)); i++) await page.keyboard.press('Tab')
  await expect(wanted).toBeFocused()
  expect(await wanted.evaluate((e) => { const s = getComputedStyle(e); return s.outlineStyle !== 'none' && parseFloat(s.outlineWidth) >= 2 || s.boxShadow !== 'none' }), 'the focus is seen').toBe(true)
}

/** Waits until colours and sizes are what they are going to be. */
async function settled(page: Page) {
  await page.evaluate(() => Promise.allSettled(document.getAnimations().filter((a) => a instanceof CSSTransition).map((a) => a.finished)))
}

/** Look checks the page as it stands now, in elder mode, and at twice the size of its text. What it finds fails the test, which goes on. */
export async function look(page: Page, except: Exception[] = []) {
  await settled(page)
  await accessible(page, wcag, except)
  await reachable(page)
  await fits(page, 44)
  const was = await page.evaluate(() => document.documentElement.className)
  await page.evaluate(() => document.documentElement.classList.add('elder'))
  await settled(page)
  await fits(page, 60)
  await accessible(page, sizes, except)
  await page.evaluate((was) => { document.documentElement.className = was; document.documentElement.style.fontSize = '200%' }, was)
  await settled(page)
  await fits(page, 44)
  await page.evaluate(() => { document.documentElement.style.fontSize = '' })
}

/** Becomes one of the trial's people at a door, without the way over the login page. */
export async function become(page: Page, persona: string, door: keyof typeof doors = 'staff') {
  const answer = await page.request.post(`${doors[door]}/trial/login`, { data: { persona } })
  expect(answer.ok(), await answer.text()).toBe(true)
}

/** Opens a page of the console and waits until it has what it shows. */
export async function open(page: Page, path: string) {
  await page.goto(`${doors.staff}/console${path}`)
  await loaded(page)
}

export async function loaded(page: Page) {
  await expect(heading(page)).toBeVisible()
  await expect(page.getByText('正在读取…')).toHaveCount(0)
}

export const heading = (page: Page): Locator => page.getByRole('heading', { level: 1 })

/** The address of the case that the console shows. */
export const here = (page: Page): string => new URL(page.url()).pathname.replace('/console', '')

/** Opens a page again until it says words: what travels by events takes a moment. */
export async function until(page: Page, words: string, show: () => Promise<unknown>) {
  await expect(async () => {
    await show()
    await expect(page.locator('main')).toContainText(words, { timeout: 2_000 })
  }).toPass({ timeout: 90_000 })
}

/** Asks with a receipt how a tip-off stands. */
export async function track(page: Page, receipt: { number: string; code: string }) {
  await page.goto('/tipoff/track')
  await page.getByLabel('受理编号').fill(receipt.number)
  await page.getByLabel(/^查询码/).fill(receipt.code)
  await page.getByRole('button', { name: '查询' }).click()
}

/** Becomes persona and opens the item of the inbox that says words, as soon as it is there. */
export async function fromInbox(page: Page, persona: string, words: string | RegExp) {
  await become(page, persona)
  const item = page.locator('tbody').getByRole('link').filter({ hasText: words }).first()
  await expect(async () => {
    await open(page, '/')
    await expect(item).toBeVisible({ timeout: 2_000 })
  }).toPass({ timeout: 90_000 })
  await item.click()
  await expect(page).not.toHaveURL(/\/console\/$/)
  await loaded(page)
}

/** What is typed into a form, by the names of its fields: a text, a choice, or several. */
export type Typed = Record<string, string | string[]>

/** Fills a form as it stands on the page. What is ticked already stays so. */
export async function fill(form: Locator, typed: Typed) {
  for (const [name, value] of Object.entries(typed)) {
    const begins = new RegExp(`^\\s*${name.replace(/[()]/g, '\\$&')}`)
    const group = form.locator('fieldset').filter({ has: form.page().locator('legend', { hasText: begins }) })
    if ((await group.count()) > 0) {
      for (const choice of [value].flat()) {
        const label = group.locator('label').filter({ hasText: choice }).first()
        if (!(await label.locator('input').isChecked())) await label.click()
      }
      continue
    }
    const field = form.getByLabel(begins).first()
    if ((await field.evaluate((e) => e.tagName)) !== 'SELECT') await field.fill([value].flat().join('\n'))
    else await field.selectOption(await field.locator('option').filter({ hasText: String(value) }).first().getAttribute('value'))
  }
}

/** Presses a button of the console, fills the form that opens, and sends it. */
export async function act(page: Page, button: string, typed: Typed = {}) {
  await page.getByRole('button', { name: button, exact: true }).first().click()
  const send = page.getByRole('button', { name: `确认${button}`, exact: true })
  await expect(send).toBeVisible()
  await fill(page.locator('form').filter({ has: send }), typed)
  await look(page)
  await send.click()
}

/** The same, and the case says that it was done. */
export async function done(page: Page, button: string, typed: Typed = {}) {
  await act(page, button, typed)
  await expect(page.getByRole('status').filter({ hasText: `已办理：${button}` })).toBeVisible()
  await loaded(page)
}

/** Sends a form of a page that the server wrote, opening it first where it is folded. */
export async function send(page: Page, button: string, typed: Typed = {}, within: Locator = page.locator('main')) {
  const form = within.locator('form').filter({ has: page.locator('button', { hasText: new RegExp(`^\\s*${button}\\s*$`) }) }).first()
  for (const folded of [form.locator('xpath=ancestor::details[not(@open)]/summary'), form.locator('details:not([open]) > summary')]) {
    if ((await folded.count()) > 0) await folded.first().click()
  }
  await fill(form, typed)
  await form.getByRole('button', { name: button, exact: true }).click()
}

/** The pictures of the README. */
const shown = ['institution-phone', 'track-phone', 'lessons-phone', 'inbox-desktop', 'case-desktop', 'situation-desktop']

/** Keeps a picture of the page for people to judge; of those for the README what the screen shows, in few bytes. */
export async function shoot(page: Page, name: string) {
  const file = `${name}-${page.viewportSize()!.width < 600 ? 'phone' : 'desktop'}`
  await page.screenshot({ path: `results/pictures/${file}.png`, fullPage: true })
  if (!shown.includes(file)) return
  const image = await page.screenshot({ path: `${process.env.XUNGUAN_PICTURES ?? 'results'}/${file}.png` })
  expect(image.length, `${file}: a picture for the README is small`).toBeLessThanOrEqual(200 * 1024)
}
