import { readFileSync } from 'node:fs'
import { gzipSync } from 'node:zlib'
import type { Plugin } from 'vite'

// budget prints what the first view loads, script and style, and stops the build
// when that is more than kilobytes (gzip). What is imported lazily is not counted;
// beside is files that the pages load and that are not built here.
export function budget(name: string, kilobytes: number, beside: string[] = []): Plugin {
  return {
    name: 'budget',
    generateBundle(_, bundle) {
      for (const entry of Object.values(bundle)) {
        if (entry.type !== 'chunk' || !entry.isEntry) continue
        const first = new Set<string>()
        const load = (file: string) => {
          const chunk = bundle[file]
          if (first.has(file) || chunk?.type !== 'chunk') return
          first.add(file)
          chunk.viteMetadata?.importedCss.forEach((style) => first.add(style))
          chunk.imports.forEach(load)
        }
        load(entry.fileName)
        const bytes = [...first].reduce((sum, file) => {
          const part = bundle[file]
          return sum + (part ? gzipSync(part.type === 'chunk' ? part.code : part.source).length : 0)
        }, beside.reduce((sum, file) => sum + gzipSync(readFileSync(file)).length, 0))
        const line = `${name} ${entry.name}: ${(bytes / 1024).toFixed(1)} KB gzip (≤ ${kilobytes})`
        if (bytes > kilobytes * 1024) this.error(line)
        console.log(line)
      }
    },
  }
}
