/**
 * The public API over HTTP: JSON in, JSON out. A refusal becomes a `Problem` with the API's own code and words; an API that does
 * not answer becomes `Unreachable`. Nothing else is thrown.
 */

export class Problem extends Error {
  constructor(status, code, detail) {
    super(detail)
    this.status = status
    this.code = code
  }
}

export class Unreachable extends Error {
  constructor() {
    super('The server does not answer. This page tries again by itself.')
  }
}

const PATIENCE_MS = 60_000

export const get = (path, query) => ask('GET', path + search(query))
export const post = (path, body) => ask('POST', path, body)

/** The bytes of a block: unchecked, as any gateway would give them. */
export async function block(cid) {
  const response = await reach(`/ipfs/${encodeURIComponent(cid)}`, {})
  if (!response.ok) throw await problem(response)
  return new Uint8Array(await response.arrayBuffer())
}

async function ask(method, path, body) {
  const headers = { accept: 'application/json' }
  if (body !== undefined) headers['content-type'] = 'application/json'
  const response = await reach(path, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) })
  if (!response.ok) throw await problem(response)
  return response.status === 204 ? null : response.json()
}

async function reach(path, options) {
  try {
    return await fetch(path, { ...options, signal: AbortSignal.timeout(PATIENCE_MS), credentials: 'same-origin' })
  } catch {
    throw new Unreachable()
  }
}

async function problem(response) {
  let document = {}
  try {
    document = await response.json()
  } catch {
    // not a problem document: the status has to do
  }
  const detail = typeof document.detail === 'string' ? document.detail : `the server answered ${response.status}`
  return new Problem(response.status, document.title ?? 'http-error', detail)
}

function search(query) {
  const given = Object.entries(query ?? {}).filter(([, value]) => value !== undefined && value !== null)
  return given.length ? `?${new URLSearchParams(given)}` : ''
}
