// The vendor client's four calls with fetch or the https module, its address built in. Knows nothing of upsim.
//
// node client.js LIBRARY PROFILE ELSEWHERE: says how a call to ELSEWHERE fails, then moves every worker to PROFILE.
const https = require('https')

const BASE = 'https://api.ultimate-proxy.com'
const HEADERS = { 'X-API-Key': process.env.UP_API_KEY }
const agent = new https.Agent({ keepAlive: true })

async function withFetch(method, url, body) {
  const headers = body ? { ...HEADERS, 'Content-Type': 'application/json' } : HEADERS
  const answer = await fetch(url, { method, headers, body: body && JSON.stringify(body) })
  if (!answer.ok) throw new Error(`${method} ${url}: ${answer.status}`)
  return answer.json()
}

function withHttps(method, url, body) {
  const headers = body ? { ...HEADERS, 'Content-Type': 'application/json' } : HEADERS
  return new Promise((resolve, reject) => {
    const request = https.request(url, { method, headers, agent }, (answer) => {
      let text = ''
      answer.setEncoding('utf8')
      answer.on('data', (part) => (text += part))
      answer.on('end', () =>
        answer.statusCode === 200 ? resolve(JSON.parse(text)) : reject(new Error(`${method} ${url}: ${answer.statusCode}`))
      )
    })
    request.on('error', reject)
    request.end(body && JSON.stringify(body))
  })
}

async function main(library, profile, elsewhere) {
  const call = library === 'fetch' ? withFetch : withHttps
  await call('GET', elsewhere).catch((error) => console.log(String(error.cause || error)))
  await call('GET', `${BASE}/v1/workers/hashrate?algorithm=randomx&timeRange=1h`)
  await call('POST', `${BASE}/v1/profiles/${profile}/default`)
  const ids = []
  for (let page = 1, pages = 1; page <= pages; page++) {
    const found = await call('GET', `${BASE}/v1/workers?page=${page}&limit=100&algorithm=randomx`)
    ids.push(...found.data.map((worker) => worker._id))
    pages = found.pagination.total_pages
  }
  await call('POST', `${BASE}/v1/workers/bulk-assign`, { worker_ids: ids, profile_id: profile })
  console.log('moved', ids.length)
  agent.destroy()
}

main(...process.argv.slice(2)).catch((error) => {
  console.error(error)
  process.exitCode = 1
})
