// What was typed and not sent is not lost by a click: leaving asks first.
import { onBeforeUnmount, watch, type Ref } from 'vue'
import type { Router } from 'vue-router'
import { t } from './catalogue'

const dirty = new Set<symbol>()

/** useUnsaved guards the page while changed is true. */
export function useUnsaved(changed: Ref<boolean>): void {
  const me = Symbol('form')
  watch(changed, (is) => (is ? dirty.add(me) : dirty.delete(me)), { immediate: true })
  onBeforeUnmount(() => dirty.delete(me))
}

/** guardUnsaved asks before router leaves, or the browser closes, a page with something unsaved. */
export function guardUnsaved(router: Router): void {
  router.beforeEach((to, from) => {
    if (to.path === from.path || dirty.size === 0) return true
    return window.confirm(t('unsaved.ask'))
  })
  window.addEventListener('beforeunload', (event) => {
    if (dirty.size > 0) event.preventDefault()
  })
}
