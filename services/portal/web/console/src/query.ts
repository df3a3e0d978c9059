// A read that a page waits for: under way, there, or failed and to be tried again.
import { shallowRef, type ShallowRef } from 'vue'
import { failureOf, type Failure } from './api'

export interface Query<T> {
  data: ShallowRef<T | undefined>
  failure: ShallowRef<Failure | undefined>
  loading: ShallowRef<boolean>
  load: () => Promise<void>
}

/** useQuery loads at once. What was there before stays until the new answer came. */
export function useQuery<T>(read: () => Promise<T>): Query<T> {
  const data = shallowRef<T>()
  const failure = shallowRef<Failure>()
  const loading = shallowRef(false)
  let last = 0
  async function load(): Promise<void> {
    const mine = ++last
    loading.value = true
    try {
      const found = await read()
      if (mine !== last) return // a later question was asked
      data.value = found
      failure.value = undefined
    } catch (thrown) {
      if (mine === last) failure.value = failureOf(thrown)
    }
    loading.value = false
  }
  void load()
  return { data, failure, loading, load }
}
