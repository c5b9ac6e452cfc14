// People who look at pages of the gateway: each takes some seconds to read one, then asks for another.
// SESSIONS and PAGES are files of JSON: cookies, and pages with a name and a path. What came of it goes to SUMMARY.
import http from 'k6/http'
import { check, sleep } from 'k6'
import { SharedArray } from 'k6/data'

const sessions = new SharedArray('sessions', () => JSON.parse(open(__ENV.SESSIONS)))
const pages = new SharedArray('pages', () => JSON.parse(open(__ENV.PAGES)))
const think = Number(__ENV.THINK_S)

export const options = {
  vus: Number(__ENV.USERS),
  duration: __ENV.DURATION,
  summaryTrendStats: ['med', 'p(95)', 'p(99)', 'max'],
}

export default function () {
  // half of the time to read, up to half as long again: all together never ask at once
  sleep(think * (0.5 + Math.random()))
  const page = pages[Math.floor(Math.random() * pages.length)]
  const answer = http.get(__ENV.BASE + page.path, {
    headers: { Cookie: sessions[(__VU - 1) % sessions.length] },
    tags: { name: page.name },
    redirects: 0,
    timeout: '30s',
  })
  check(answer, { 'answered with the page': (each) => each.status === 200 })
}

export function handleSummary(data) {
  return { [__ENV.SUMMARY]: JSON.stringify(data.metrics) }
}
