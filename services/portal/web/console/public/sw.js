// Lets the page of a visit open again without a connection: it keeps the console's
// one page and what that loads, and nothing of any service. Scripts and styles have
// their content in their names, so what is kept never goes stale; the page itself is
// taken from the network whenever there is one.
const shelf = 'console'
const page = '/console/'

self.addEventListener('install', () => self.skipWaiting())
self.addEventListener('activate', (event) => event.waitUntil(self.clients.claim()))

// Those who opened the page before this worker was there say what they have loaded.
self.addEventListener('message', (event) => {
  event.waitUntil(keep(event.data).then(() => event.ports[0]?.postMessage('kept')))
})

async function keep(addresses) {
  const cache = await caches.open(shelf)
  await cache.put(page, await fetch(page, { cache: 'no-store' }))
  for (const old of await cache.keys()) {
    if (old.url.includes('/assets/') && !addresses.includes(old.url)) await cache.delete(old)
  }
  await cache.addAll(addresses.filter((address) => new URL(address).pathname.startsWith('/assets/console/')))
}

self.addEventListener('fetch', (event) => {
  const { request } = event
  const { origin, pathname } = new URL(request.url)
  if (request.method !== 'GET' || origin !== self.location.origin) return
  if (request.mode === 'navigate' && pathname.startsWith('/console/visits/')) {
    event.respondWith(fetch(request).catch(() => caches.match(page)))
  } else if (pathname.startsWith('/assets/console/')) {
    event.respondWith(caches.match(request).then((kept) => kept ?? fetch(request)))
  }
})
