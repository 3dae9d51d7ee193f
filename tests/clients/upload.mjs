// Uploads one file with an unmodified tus-js-client, and says each step as a line of JSON.
// Arguments, as JSON: endpoint, token, file, sha256, urls (where the client remembers addresses),
// chunkSize (null: one request), pauseAt (null, or bytes after which it stands still, in the
// middle of whatever it does, until it reads a byte from standard input).
import fs from 'node:fs'
import * as tus from 'tus-js-client'

const given = JSON.parse(process.argv[2])
const say = (step, more = {}) => fs.writeSync(1, JSON.stringify({ step, ...more }) + '\n')
let hasPaused = false

const upload = new tus.Upload(fs.createReadStream(given.file), {
  endpoint: given.endpoint,
  headers: { Authorization: `Bearer ${given.token}` },
  metadata: { filename: 'stop.mp4', filetype: 'video/mp4', sha256: given.sha256 },
  uploadSize: fs.statSync(given.file).size,
  chunkSize: given.chunkSize ?? Infinity,
  urlStorage: new tus.FileUrlStorage(given.urls),
  retryDelays: [0, 1000, 3000, 5000],
  onProgress(sent) {
    if (given.pauseAt !== null && sent >= given.pauseAt && !hasPaused) {
      hasPaused = true
      say('paused', { sent })
      fs.readSync(0, Buffer.alloc(1))
    }
  },
  onShouldRetry(error) {
    say('retries', { status: error.originalResponse?.getStatus() ?? 0 })
    return true
  },
  onAfterResponse(request, response) {
    if (request.getMethod() === 'HEAD') say('asked', { offset: Number(response.getHeader('Upload-Offset')) })
  },
  onError(error) {
    say('failed', { status: error.originalResponse?.getStatus() ?? 0 })
    process.exit(1)
  },
  onSuccess(last) {
    say('done', { url: upload.url, link: last.lastResponse.getHeader('Link') })
  },
})

const [previous] = await upload.findPreviousUploads()
if (previous) upload.resumeFromPreviousUpload(previous)
upload.start()
