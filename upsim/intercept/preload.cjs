// Loaded into Node programs before they begin (NODE_OPTIONS=--require): leads what they call over http, https and fetch
// to the proxy in HTTPS_PROXY, which Node does not look at by itself before version 24. The program notices nothing.
// This machine's own servers are reached directly. What cannot be led is refused, not let out.
'use strict'

const http = require('node:http')
const https = require('node:https')
const net = require('node:net')
const tls = require('node:tls')

const proxy = new URL(process.env.HTTPS_PROXY)

function isLocal(host) {
  const name = String(host || 'localhost').toLowerCase()
  return name === 'localhost' || name.endsWith('.localhost') || /^(127\.[0-9.]+|\[?::1\]?)$/.test(name)
}

// Asks the proxy for a connection; calls back with its socket, or with what the proxy said.
function tunnel(host, port, callback) {
  const target = net.isIPv6(host) ? `[${host}]:${port}` : `${host}:${port}`
  const socket = net.connect(Number(proxy.port), proxy.hostname)
  let head = Buffer.alloc(0)
  const finish = (error) => {
    socket.removeListener('error', finish)
    socket.removeListener('close', closed)
    socket.removeListener('data', read)
    if (error) socket.destroy()
    callback(error, error ? undefined : socket)
  }
  const closed = () => finish(new Error(`upsim's proxy hung up on ${target}`))
  const read = (data) => {
    head = Buffer.concat([head, data])
    const end = head.indexOf('\r\n\r\n')
    if (end < 0) return
    const [status, ...reason] = head.toString('latin1').split('\r\n', 1)[0].split(' ').slice(1)
    if (status !== '200') return finish(Object.assign(new Error(reason.join(' ')), { code: 'ECONNREFUSED' }))
    socket.pause()
    if (head.length > end + 4) socket.unshift(head.subarray(end + 4))
    finish(null)
  }
  socket.on('error', finish)
  socket.on('close', closed)
  socket.on('data', read)
  socket.write(`CONNECT ${target} HTTP/1.1\r\nHost: ${target}\r\n\r\n`)
}

// Agents, the program's own too, make their connections by this method.
function lead(agents, port) {
  const direct = agents.createConnection
  agents.createConnection = function (options, callback) {
    if (options === null || typeof options !== 'object' || options.socket || options.socketPath) {
      return direct.apply(this, arguments)
    }
    const host = options.hostname || options.host
    if (isLocal(host)) return direct.apply(this, arguments)
    if (typeof callback !== 'function') throw new Error(`upsim cannot lead a connection to ${host}: no callback`)
    tunnel(host, options.port || port, (error, socket) => {
      if (error) return callback(error)
      if (agents === https.Agent.prototype) return callback(null, direct.call(this, { ...options, socket }))
      socket.resume()
      callback(null, socket)
    })
  }
}

lead(http.Agent.prototype, 80)
lead(https.Agent.prototype, 443)

// fetch makes its connections by a dispatcher that is kept under a global symbol, in the undici of npm as in Node's own.
function connect(options, callback) {
  const { hostname, protocol, servername } = options
  const secure = protocol === 'https:'
  const port = Number(options.port) || (secure ? 443 : 80)
  const name = servername || (net.isIP(hostname) ? undefined : hostname)
  const begin = (error, socket) => {
    if (error) return callback(error)
    const where = socket ? { socket } : { host: hostname, port }
    const made = secure ? tls.connect({ ...where, servername: name, ALPNProtocols: ['http/1.1'] }) : socket || net.connect(where)
    if (made === socket) return callback(null, made)
    const ready = secure ? 'secureConnect' : 'connect'
    const failed = (problem) => {
      made.removeListener(ready, done)
      callback(problem)
    }
    const done = () => {
      made.removeListener('error', failed)
      callback(null, made)
    }
    made.once('error', failed).once(ready, done)
  }
  if (isLocal(hostname)) begin(null)
  else tunnel(hostname, port, begin)
}

// Node 18 to 22 know the first symbol alone, Node 24 both for one dispatcher, Node 26 a wrapping under the first.
function leadFetch() {
  void globalThis.Response // Node loads its fetch, and the dispatcher, when one of its classes is first asked for
  const [first, second] = [1, 2].map((version) => Symbol.for(`undici.globalDispatcher.${version}`))
  const found = globalThis[second] || globalThis[first]
  const made = new found.constructor({ connect })
  globalThis[first] = globalThis[first] === found ? made : new globalThis[first].constructor(made)
  if (globalThis[second]) globalThis[second] = made
}

try {
  leadFetch()
} catch (error) {
  globalThis.fetch = async () => {
    throw new Error(`upsim cannot lead fetch in Node ${process.version}: ${error.message}`)
  }
}
