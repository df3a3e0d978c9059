// How a deadline stands: always a shape and words, colour only besides.
import { t } from './catalogue'

export type Light = 'green' | 'yellow' | 'red'

export const lights: Light[] = ['red', 'yellow', 'green']

const shapes: Record<Light, string> = { red: '■', yellow: '▲', green: '●' }

export const shape = (light: Light): string => shapes[light]

export function lightWord(light: Light): string {
  return { red: t('light.red'), yellow: t('light.yellow'), green: t('light.green') }[light]
}

/** left is how long there is left, in words. days is null without a deadline. */
export function left(days: number | null | undefined, due: string | undefined): string {
  if (!due || days === null || days === undefined) return t('light.none')
  if (days < 0) return t('light.over', { days: -days })
  if (days === 0) return t('light.today')
  return t('light.left', { days })
}
