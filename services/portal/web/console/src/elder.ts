// Elder mode: larger letters and targets on every page, for as long as it is on.
import { ref, watchEffect } from 'vue'

const key = 'xunguan.elder'

/** elder is kept in this browser. */
export const elder = ref(localStorage.getItem(key) === '1')

watchEffect(() => {
  document.documentElement.classList.toggle('elder', elder.value)
  localStorage.setItem(key, elder.value ? '1' : '0')
})
