// @vitest-environment node
import 'fake-indexeddb/auto'
import { beforeEach, expect, test, vi } from 'vitest'
import { digestOf, Notebook, sha256, type Answer, type Finding, type View } from './notebook'
import { settle, sync, type Remote } from './sync'

vi.setConfig({ testTimeout: 60_000 }) // a machine that does other things, too

const bytes = (text: string) => new Blob([text], { type: 'image/jpeg' })
let book: Notebook
let n = 0

/** A service as inspection is: findings by item, photos by id, answers by key; what fails is said beforehand. */
class Service implements Remote {
  findings = new Map<string, Finding>()
  photos = new Map<string, string>()
  answered = new Map<string, View>()
  calls: string[] = []
  lose = new Set<string>() // calls that act, and whose answer does not come
  fail = new Map<string, object>() // calls that do not act
  spoil = new Set<string>() // photos that arrive as something else

  private async answerOr<T>(call: string, act: () => Promise<T>): Promise<T> {
    this.calls.push(call)
    const failure = this.fail.get(call)
    if (failure) throw failure
    const said = await act()
    if (this.lose.delete(call)) throw new TypeError('Failed to fetch')
    return said
  }

  photo(id: string, blob: Blob) {
    return this.answerOr(`photo ${id}`, async () => {
      const sum = await sha256(await blob.arrayBuffer())
      if (this.photos.has(id) && this.photos.get(id) !== sum) throw { status: 422, type: 'urn:xunguan:problem:key_reused', detail: '另一张' }
      this.photos.set(id, this.spoil.has(id) ? 'f'.repeat(64) : sum)
      return { sent_sha256: this.photos.get(id)! }
    })
  }

  answer(a: Answer, photos: string[]) {
    return this.answerOr(`answer ${a.item}`, async () => {
      const before = this.answered.get(a.id)
      if (before) return before
      const had = this.findings.get(a.item)
      const digest = await digestOf(a)
      if (had && had.digest !== a.seen && had.digest !== digest) throw { status: 409, type: 'urn:xunguan:problem:conflict', detail: '另行记录' }
      const missing = photos.filter((id) => !this.photos.has(id))
      if (missing.length) throw { status: 400, type: 'urn:xunguan:problem:invalid', detail: '', errors: [{ pointer: '/photos', detail: '没有传完' }] }
      await this.write(a.item, a.detail, !!a.problem, a.by, [...(had?.photos ?? []).map((p) => p.id), ...photos])
      this.answered.set(a.id, this.view())
      return this.view()
    })
  }

  visit() { return this.answerOr('visit', async () => this.view()) }

  async write(item: string, detail: string, problem: boolean, by: string, photos: string[] = []) {
    const digest = await digestOf({ item, problem, detail })
    this.findings.set(item, { item, detail, problem, digest, recorded_by: by, photos: [...new Set(photos)].map((id) => ({ id, sent_sha256: this.photos.get(id) })) } as unknown as Finding)
  }

  view() { return { parts: [{ agency: 'market', findings: [...this.findings.values()] }] } as unknown as View }
}

beforeEach(() => { book = new Notebook(`test ${n++}`) })

async function write(item: string, detail: string, more: Partial<Answer> = {}): Promise<Answer> {
  const a: Answer = { id: crypto.randomUUID(), by: 'market', visit: 'v', agency: 'market', item, problem: true, detail, seen: '', tried: [], state: 'waiting', why: '', theirs: null, since: n++, ...more }
  await book.answers.add(a)
  return a
}

async function shoot(item: string, text: string): Promise<string> {
  const blob = bytes(text)
  const id = crypto.randomUUID()
  await book.photos.add({ id, by: 'market', visit: 'v', item, blob, sha256: await sha256(await blob.arrayBuffer()), sent: false })
  return id
}

const left = async () => [await book.answers.count(), await book.photos.count()]
const run = (service: Service) => sync(book, service, 'market', 'v')

test('twenty answers and ten photos: all arrive, each once, and nothing is left here', async () => {
  const service = new Service()
  for (let i = 0; i < 20; i++) await write(`MK-${i}`, `第 ${i} 项`)
  for (let i = 0; i < 10; i++) await shoot(`MK-${i}`, `pixels ${i}`)
  expect((await run(service)).stopped).toBeUndefined()
  expect(await left()).toEqual([0, 0])
  expect([service.findings.size, service.photos.size, service.calls.length]).toEqual([20, 10, 30])
  expect(service.findings.get('MK-3')?.photos).toHaveLength(1)
  await run(service)
  expect(service.calls).toHaveLength(30)
})

test('an answer that is lost: what was sent is sent again and counts once', async () => {
  const service = new Service()
  await write('MK-1', '广告保证提分')
  const photo = await shoot('MK-1', 'pixels')
  for (const call of [`photo ${photo}`, 'answer MK-1']) {
    service.lose.add(call)
    expect((await run(service)).stopped?.status).not.toBe(200)
    expect(await left()).toEqual([1, 1])
    expect((await book.answers.toArray())[0]!.state).toBe('waiting')
  }
  expect((await run(service)).stopped).toBeUndefined()
  expect(await left()).toEqual([0, 0])
  expect([service.photos.size, service.findings.get('MK-1')!.photos?.length]).toEqual([1, 1])
})

test('an answer that was lost, and the text changed since: the own earlier text is no conflict', async () => {
  const service = new Service()
  const a = await write('MK-1', '第一稿')
  service.lose.add('answer MK-1')
  await run(service)
  const sent = (await book.answers.get(a.id))!
  await book.answers.delete(a.id)
  await book.answers.add({ ...sent, id: crypto.randomUUID(), detail: '第二稿' })
  await run(service)
  expect(await left()).toEqual([0, 0])
  expect(service.findings.get('MK-1')!.detail).toBe('第二稿')
})

test('a digest that differs: nothing is removed, and it says so', async () => {
  const service = new Service()
  await write('MK-1', '广告保证提分')
  const photo = await shoot('MK-1', 'pixels')
  service.spoil.add(photo)
  await run(service)
  expect(await left()).toEqual([1, 1])
  const kept = (await book.answers.toArray())[0]!
  expect([kept.state, kept.why]).toEqual(['failed', expect.stringContaining('不一致')])
  expect(service.findings.size).toBe(0)
})

test('no connection: everything waits, and the rest is not tried', async () => {
  const service = new Service()
  await write('MK-1', '一一')
  await write('MK-2', '二二')
  service.fail.set('answer MK-1', new TypeError('Failed to fetch'))
  expect((await run(service)).stopped).toBeDefined()
  expect(service.calls).toEqual(['answer MK-1'])
  expect((await book.answers.toArray()).map((a) => a.state)).toEqual(['waiting', 'waiting'])
})

test('a page that was closed while it sent: the next one sends it again', async () => {
  const service = new Service()
  await write('MK-1', '一一', { state: 'sending' })
  await run(service)
  expect(await left()).toEqual([0, 0])
})

test('what is refused stays with the reason, and the others go on', async () => {
  const service = new Service()
  await write('MK-1', '一一')
  await write('MK-2', '二二')
  service.fail.set('answer MK-1', { status: 422, type: 'urn:xunguan:problem:refused', detail: '证件已到期' })
  await run(service)
  expect((await book.answers.toArray()).map((a) => [a.item, a.state, a.why])).toEqual([['MK-1', 'failed', '证件已到期']])
  expect(service.findings.has('MK-2')).toBe(true)
})

test('photos that the service has forgotten meanwhile are sent anew', async () => {
  const service = new Service()
  await write('MK-1', '一一')
  await shoot('MK-1', 'pixels')
  service.fail.set('answer MK-1', new TypeError('Failed to fetch'))
  await run(service)
  service.fail.clear()
  service.photos.clear()
  await run(service)
  if ((await left())[0]) {
    await book.answers.toCollection().modify({ state: 'waiting' })
    await run(service)
  }
  expect(await left()).toEqual([0, 0])
  expect(service.photos.size).toBe(1)
})

for (const [choice, detail, problem] of [['mine', '我写的', true], ['theirs', '同事写的', false], ['both', '同事写的\n我写的', true]] as const) {
  test(`a conflict keeps both, until the officer says: ${choice}`, async () => {
    const service = new Service()
    await service.write('MK-1', '同事写的', false, 'market2')
    const a = await write('MK-1', '我写的')
    await shoot('MK-1', 'pixels')
    await run(service)
    const kept = (await book.answers.get(a.id))!
    expect([kept.state, kept.detail, kept.theirs?.detail, kept.theirs?.by]).toEqual(['conflict', '我写的', '同事写的', 'market2'])
    expect(service.findings.get('MK-1')!.detail).toBe('同事写的')
    await run(service)
    expect(await left()).toEqual([1, 1])
    await settle(book, a.id, choice)
    await run(service)
    expect(await left()).toEqual([0, 0])
    const now = service.findings.get('MK-1')!
    expect([now.detail, now.problem, now.photos?.length]).toEqual([detail, problem, 1])
  })
}

test('another part of the visit being signed is a refusal, not two texts', async () => {
  const service = new Service()
  await write('MK-1', '一一')
  service.fail.set('answer MK-1', { status: 409, type: 'urn:xunguan:problem:conflict', detail: '本部门已经签字' })
  await run(service)
  expect((await book.answers.toArray()).map((a) => [a.state, a.why])).toEqual([['failed', '本部门已经签字']])
})

test('what is written on while it is sent is not removed by the answer', async () => {
  const service = new Service()
  const a = await write('MK-1', '一一')
  const act = service.answer.bind(service)
  service.answer = async (sent, photos) => {
    const view = await act(sent, photos)
    await book.answers.update(a.id, { detail: '一一二二', state: 'draft' })
    return view
  }
  await run(service)
  expect((await book.answers.toArray()).map((x) => [x.detail, x.state])).toEqual([['一一二二', 'draft']])
})
