// Keeps everything the page has used, so that it works without a network.

const VERSION = "@VERSION@";
const FILES = ["@FILES@"];

const MINE = `mmkeras ${registration.scope} `;
const NAME = MINE + VERSION;

async function olderNames() {
  const names = await caches.keys();
  return names.filter((name) => name.startsWith(MINE) && name !== NAME);
}

async function install() {
  const cache = await caches.open(NAME);
  const anew = (file) => new Request(file, { cache: "reload" });
  await cache.addAll(FILES.map(anew));
  // The runtime, which an older worker kept when it was asked for it.
  for (const name of await olderNames())
    for (const { url } of await (await caches.open(name)).keys())
      if (!(await cache.match(url))) await cache.add(anew(url)).catch(() => {});
  await skipWaiting();
}

async function activate() {
  for (const name of await olderNames()) await caches.delete(name);
  await clients.claim();
}

// The runtime comes in variants; only the one this browser takes is kept.
async function answer(request) {
  const cache = await caches.open(NAME);
  const kept = await cache.match(request, { ignoreSearch: true });
  if (kept) return kept;
  const response = await fetch(request);
  if (response.ok) await cache.put(request, response.clone());
  return response;
}

addEventListener("install", (event) => event.waitUntil(install()));
addEventListener("activate", (event) => event.waitUntil(activate()));
addEventListener("fetch", (event) => {
  const { method, url } = event.request;
  if (method === "GET" && url.startsWith(registration.scope))
    event.respondWith(answer(event.request));
});
