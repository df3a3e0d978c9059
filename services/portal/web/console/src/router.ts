// The console's pages and who has which in the menu. Pages beyond the inbox are
// loaded when they are opened.
import { createRouter, createWebHistory } from 'vue-router'
import { t } from './catalogue'
import { lists, type ListName } from './lists'
import InboxPage from './pages/InboxPage.vue'
import { holds } from './session'

const cases = {
  applications: () => import('./pages/ApplicationPage.vue'),
  'list-entries': () => import('./pages/ListEntryPage.vue'),
  institutions: () => import('./pages/InstitutionPage.vue'),
  flags: () => import('./pages/FlagPage.vue'),
  contracts: () => import('./pages/ContractPage.vue'),
  accounts: () => import('./pages/AccountPage.vue'),
  tips: () => import('./pages/TipPage.vue'),
  tasks: () => import('./pages/TaskPage.vue'),
  visits: () => import('./pages/VisitPage.vue'),
  draws: () => import('./pages/DrawPage.vue'),
  rectifications: () => import('./pages/RectificationPage.vue'),
  'follow-ups': () => import('./pages/FollowUpPage.vue'),
  reconciliations: () => import('./pages/ReconciliationPage.vue'),
  discrepancies: () => import('./pages/DiscrepancyPage.vue'),
  warnings: () => import('./pages/WarningPage.vue'),
  'wind-downs': () => import('./pages/WindDownPage.vue'),
}

export const router = createRouter({
  history: createWebHistory('/console/'),
  scrollBehavior: (_to, _from, saved) => saved ?? { top: 0 },
  routes: [
    { path: '/', component: InboxPage },
    ...Object.keys(lists).map((name) => ({ path: `/${name}`, component: () => import('./pages/ListPage.vue'), props: { name } })),
    ...Object.entries(cases).map(([name, component]) => ({ path: `/${name}/:id`, component, props: true })),
    { path: '/apply', component: () => import('./pages/ApplyPage.vue') },
    { path: '/rerun', component: () => import('./pages/RerunPage.vue') },
    { path: '/situation', component: () => import('./pages/SituationPage.vue') },
    { path: '/print/:kind(applications|institutions|list-entries)/:id/:paper', component: () => import('./pages/PrintPage.vue'), props: true },
    { path: '/:rest(.*)*', component: () => import('./pages/NowherePage.vue') },
  ],
})

/** A Group of the menu; one without a title stands open. */
export interface Group { title: string; links: { path: string; title: string }[] }

/** The lists, by what they are about. */
const groups: [title: string, names: ListName[]][] = [
  [t('menu.licences'), ['applications', 'institutions', 'list-entries']],
  [t('menu.money'), ['flags', 'contracts', 'alerts', 'reconciliations', 'discrepancies', 'warnings', 'wind-downs']],
  [t('menu.inspections'), ['tasks', 'visits', 'rectifications', 'sweeps', 'follow-ups', 'officers']],
  [t('menu.tips'), ['tips']],
]

/** Who works with which lists, by the first role that is held. */
const readers: [roles: string[], names: ListName[]][] = [
  [['principal'], ['applications', 'institutions', 'flags', 'contracts', 'alerts', 'reconciliations', 'discrepancies', 'warnings', 'wind-downs', 'visits', 'rectifications', 'list-entries']],
  [['intake'], ['tips']],
  [['examiner', 'city'], groups.flatMap(([, names]) => names)],
  [['culture', 'market', 'fire', 'sport', 'science'], ['applications', 'institutions', 'list-entries', 'tips', 'tasks', 'visits', 'rectifications', 'sweeps', 'officers']],
]

/** menuOf is the pages that who is logged in works with. */
export function menuOf(): Group[] {
  const names = readers.find(([roles]) => holds(...roles))?.[1]
  if (!names) return []
  const lists = groups.map(([title, all]) => ({ title, links: all.filter((name) => names.includes(name)).map(linkOf) })).filter((group) => group.links.length > 0)
  const first = { title: '', links: [{ path: '/', title: t('inbox.title') }] }
  if (holds('examiner', 'city')) { // the lists behind the figures are theirs to read
    first.links.push({ path: '/situation', title: t('situation.title') })
    lists.find((group) => group.title === t('menu.money'))?.links.push({ path: '/rerun', title: t('rerun.title') })
  }
  return [first, ...lists]
}

const linkOf = (name: ListName) => ({ path: `/${name}`, title: lists[name].title })
