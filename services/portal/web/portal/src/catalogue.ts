import sentences from './zh-CN.json'

/** t is a sentence that these scripts say; the pages' own stand in the server's templates. */
export const t = (key: keyof typeof sentences): string => sentences[key]
