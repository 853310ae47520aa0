// An HTTP server, and a client that asks one.
// usage: node http.js serve PORT | serve-tls PORT | ask PORT PATH IN-FLIGHT SECONDS
const fs = require('fs')
const http = require('http')
const [what, port, path, inFlight, seconds] = process.argv.slice(2)

function serve() {
  const bodies = {
    '/hello': Buffer.from('Hello, world!'), '/16k': Buffer.alloc(16384, 'x'),
    '/1m': Buffer.alloc(1 << 20, 'x')
  }
  const answer = (request, response) => {
    const body = bodies[request.url]
    response.writeHead(body ? 200 : 404,
      { 'Content-Type': 'text/plain', 'Content-Length': body ? body.length : 0 })
    response.end(body)
  }
  const server = what === 'serve'
    ? http.createServer(answer)
    : require('https').createServer({
      cert: fs.readFileSync('bench/build/tls.pem'), key: fs.readFileSync('bench/build/tls.key')
    }, answer)
  server.listen(Number(port), '127.0.0.1')
}

const agent = new http.Agent({ keepAlive: true, maxSockets: Number(inFlight) })

function get() {
  return new Promise((resolve, reject) => {
    http.get({ host: '127.0.0.1', port, path, agent }, response => {
      const pieces = []
      response.on('data', piece => pieces.push(piece))
      response.on('error', reject)
      response.on('end', () => resolve([response.statusCode, Buffer.concat(pieces)]))
    }).on('error', reject)
  })
}

async function forSeconds(s) {
  let count = 0
  const began = process.hrtime.bigint(), used = process.cpuUsage()
  const since = () => Number(process.hrtime.bigint() - began) / 1e9
  await Promise.all(Array.from({ length: Number(inFlight) }, async () => {
    do {
      if ((await get())[0] !== 200) throw new Error('not 200')
      count++
    } while (since() < s)
  }))
  const { user, system } = process.cpuUsage(used)
  return [count, since(), (user + system) / 1e6]
}

if (what !== 'ask') serve()
else {
  forSeconds(0.5).then(() => forSeconds(Number(seconds))).then(figures => {
    console.log('ask', ...figures)
    process.exit(0)
  })
}
