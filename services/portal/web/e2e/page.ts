// What every page must have in every state, whoever looks at it and on whatever
// screen; and how the tests become a person.
import { createRequire } from 'node:module'
import { readFileSync } from 'node:fs'
import { expect, type Page } from '@playwright/test'
import { doors } from './playwright.config.ts'

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

/** A finding that stands, with the rule and the selector it stands for. */
export interface Exception { rule: string; selector: string; why: string }

declare global {
  interface Window { axe: { run(root: Document, options: object): Promise<{ violations: { id: string; help: string; nodes: { target: string[]; failureSummary: string }[] }[] }> } }
}

/** Nothing that axe finds by WCAG 2.2 AA. */
async function accessible(page: Page, except: Exception[]) {
  if (!(await page.evaluate(() => 'axe' in window))) await page.evaluate(axe)
  const found = await page.evaluate(async () => {
    const { violations } = await window.axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'] })
    return violations.flatMap((v) => v.nodes.map((n) => ({ rule: v.id, at: n.target.join(' '), why: n.failureSummary })))
  })
  const rest = found.filter((f) => !except.some((e) => e.rule === f.rule && f.at.includes(e.selector)))
  expect(rest, page.url()).toEqual([])
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
  expect(seen, page.url()).toEqual({ lang: 'zh-CN', headings: 1, wide: 0, small: [] })
}

/** Tab reaches everything that can be worked. */
async function reachable(page: Page) {
  const all = await page.evaluate(() => {
    const stops = [...document.querySelectorAll<HTMLElement>('a[href], button:not([disabled]), input:not([type=hidden]):not([disabled]), select:not([disabled]), textarea:not([disabled]), summary')]
    return stops.filter((e) => e.tabIndex < 0 && e.checkVisibility({ visibilityProperty: true })).map((e) => e.outerHTML.slice(0, 120))
  })
  expect(all, page.url()).toEqual([])
}

/** Look checks the page as it stands now, then at twice the size of its text and in elder mode. */
export async function look(page: Page, except: Exception[] = []) {
  await accessible(page, except)
  await reachable(page)
  await fits(page, 44)
  const was = await page.evaluate(() => document.documentElement.className)
  await page.evaluate(() => document.documentElement.classList.add('elder'))
  await fits(page, 60)
  await accessible(page, except)
  await page.evaluate((was) => { document.documentElement.className = was; document.documentElement.style.fontSize = '200%' }, was)
  await fits(page, 44)
  await page.evaluate(() => { document.documentElement.style.fontSize = '' })
}

/** Becomes one of the trial's people at a door. */
export async function become(page: Page, persona: string, door: keyof typeof doors = 'staff') {
  const answer = await page.request.post(`${doors[door]}/trial/login`, { data: { persona } })
  expect(answer.ok(), await answer.text()).toBe(true)
  return (await answer.json()) as { csrf: string; token: string }
}
