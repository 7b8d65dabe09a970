/**
 * The data of an epoch read from the content store, every block against its CID, every record against its leaf, all leaves against
 * the root: the twin of oracle/protocol/{pages,leaves,epoch}.py. What does not fit throws `Wrong`, which names tree and index.
 */

import { ZERO, equal, int32s, integer, join, keccak, leafOf, tagged, toHex, toInteger } from './bytes.js'
import { CODECS, Link, checked, decode, fromDigest, parse } from './cid.js'
import { root as rootOf } from './trees.js'

export const STATUS = ['counted', 'unopened', 'rejected']
export const TREES = ['balances', 'weights', 'verdicts', 'assignments']

export class Wrong extends Error {
  constructor(place, what) {
    super(`${place}: ${what}`)
    this.place = place
  }
}

/** {total, debits, root fields, balances, weights, verdicts, assignments} of the epoch under a content digest (32 bytes). */
export async function readEpoch(fetchBlock, content, report = () => {}) {
  const read = blocks(fetchBlock, report)
  const node = decode(await read(fromDigest(CODECS.dagCbor, content)))
  const out = {
    epoch: Number(node.get('epoch')), previous: node.get('previous'), configuration: node.get('configuration'),
    total: node.get('total'), debits: node.get('debits').map((debit) => debit.map(Number)), trees: {}, leaves: {}, model: node.get('model'),
  }
  for (const name of TREES) {
    const tree = node.get('trees').get(name)
    const { values, leaves } = await readTree(read, name, tree)
    out[name] = values
    out.leaves[name] = leaves
    out.trees[name] = { root: tree.get('root'), size: Number(tree.get('size')) }
  }
  return out
}

/** {manifest, tasks} of a job under its terms' manifest digest. Tasks are numbered as they stand. */
export async function readJob(fetchBlock, digest, report = () => {}) {
  const read = blocks(fetchBlock, report)
  const node = decode(await read(fromDigest(CODECS.dagCbor, digest)))
  const tree = node.get('tasks')
  const { values, leaves } = await readTree(read, 'tasks', tree)
  return { manifest: node.get('manifest'), tasks: values, taskRoot: rootOf(leaves) }
}

/** What the labels of a task of free answers stand for, as the epoch's model card names them. */
export async function readCandidates(fetchBlock, epoch, job, task) {
  const read = blocks(fetchBlock, () => {})
  const card = decode(await read(to(epoch.model, CODECS.dagCbor)))
  for (const link of card.get('candidates') ?? []) {
    const rows = decode(await read(to(link, CODECS.dagCbor)))
    const row = rows.find(([ofJob, ofTask]) => Number(ofJob) === job && Number(ofTask) === task)
    if (row?.length === 3) return row[2] // those of a sealed job are under its key
  }
  return []
}

function blocks(fetchBlock, report) {
  return async (cid) => {
    const bytes = await checked(cid, await fetchBlock(cid))
    report(cid, bytes.length)
    return bytes
  }
}

async function readTree(read, name, tree) {
  const size = Number(tree.get('size'))
  const pages = tree.get('pages')
  const values = []
  const leaves = []
  for (const [at, [first, link]] of pages.entries()) {
    if (Number(first) !== leaves.length) throw new Wrong(name, 'its pages do not follow one another')
    const count = (at + 1 < pages.length ? Number(pages[at + 1][0]) : size) - Number(first)
    await readPage(read, name, count, link, values, leaves)
  }
  if (leaves.length !== size) throw new Wrong(name, `${leaves.length} leaves instead of ${size}`)
  if (!equal(rootOf(leaves), tree.get('root'))) throw new Wrong(name, 'the leaves do not give the root')
  return { values, leaves }
}

async function readPage(read, name, count, link, values, leaves) {
  const page = decode(await read(to(link, CODECS.dagCbor)))
  const listed = page.get('leaves')
  const ends = page.get('ends').map(Number)
  const data = await read(to(page.get('data'), CODECS.raw))
  if (listed.length !== 32 * count || ends.length !== count || (count && ends[count - 1] !== data.length)) {
    throw new Wrong(name, 'a page does not fit its tree')
  }
  for (let at = 0; at < count; at++) {
    const place = `${name} ${leaves.length}`
    const wanted = listed.slice(32 * at, 32 * at + 32)
    const value = PARSERS[name](decode(data.slice(at ? ends[at - 1] : 0, ends[at])), data.slice(at ? ends[at - 1] : 0, ends[at]))
    if (!equal(value.leaf, wanted)) throw new Wrong(place, 'the record is not the one committed')
    values.push(value)
    leaves.push(wanted)
  }
}

function to(link, codec) {
  if (!(link instanceof Link) || parse(link.cid).codec !== codec) throw new Wrong('a link', 'leads to a block of another kind')
  return link.cid
}

const PARSERS = {
  balances([worker, wallet, cumulative, earnings]) {
    const leaf = leafOf('balance', worker, wallet, cumulative, keccak(earnings))
    return { worker: Number(worker), wallet: toHex(wallet), cumulative, earnings: unpackEarnings(earnings), packed: earnings, leaf }
  },
  weights([job, worker, label, row]) {
    const leaf = leafOf('weight', job, worker, label, keccak(row))
    return { job: Number(job), worker: Number(worker), label: Number(label), row: int32s(row), leaf }
  },
  assignments([job, task, worker, expiry, terms]) {
    const leaf = leafOf('assignment', job, task, worker, expiry, terms)
    return { job: Number(job), task: Number(task), worker: Number(worker), expiry: Number(expiry), terms: toHex(terms), leaf }
  },
  tasks([task, id, payload], bytes) {
    return { task: Number(task), id, payload: toPlain(payload), leaf: leafOf('task', task, keccak(bytes)) }
  },
  verdicts([job, task, label, prior, pay, cores, openings]) {
    const opened = openings.map(opening)
    const list = tagged('list', keccak(cores), keccak(join(...opened.map((one) => one.hash))))
    return {
      job: Number(job), task: Number(task), label: Number(label), prior: int32s(prior), pay, cores: unpackCores(cores),
      openings: opened, packed: { prior, cores, openings: join(...opened.map((one) => one.hash)) },
      leaf: leafOf('verdict', job, task, label, keccak(prior), pay, list),
    }
  },
}

function opening([commitment, sealHash, payload, salt, reason, signature, envelope]) {
  if (envelope && !equal(keccak(envelope), sealHash)) throw new Wrong('an answer', 'is shown with another envelope than was signed')
  const payloadHash = equal(salt, ZERO) ? ZERO : keccak(payload)
  const hash = tagged('opening', commitment, sealHash, payloadHash, salt, reason, keccak(signature))
  return { commitment, sealHash, payload, payloadHash, salt, reason, signature, envelope, hash }
}

function unpackCores(bytes) {
  if (bytes.length % 20) throw new Wrong('a verdict', 'its list of answers is no list')
  return Array.from({ length: bytes.length / 20 }, (_, at) => {
    const part = (from, to) => Number(toInteger(bytes.slice(20 * at + from, 20 * at + to)))
    return { worker: part(0, 4), key: part(4, 6), label: part(6, 7), status: part(7, 8), row: part(8, 12), epoch: part(12, 16), index: part(16, 20) }
  })
}

function unpackEarnings(bytes) {
  if (bytes.length % 12) throw new Wrong('a balance', 'its earnings are no list')
  return Array.from({ length: bytes.length / 12 }, (_, at) => ({
    verdict: Number(toInteger(bytes.slice(12 * at, 12 * at + 4))), pay: toInteger(bytes.slice(12 * at + 4, 12 * at + 12)),
  }))
}

/** Debits as `postEpoch` takes them: 16 bytes {job u32, pay u64, last u32} each. */
export function packDebits(debits) {
  return join(...debits.map(([job, pay, last]) => join(integer(job, 4), integer(pay, 8), integer(last, 4))))
}

/** dag-cbor values as JSON has them. */
export function toPlain(value) {
  if (typeof value === 'bigint') return Number(value)
  if (value instanceof Uint8Array) return toHex(value)
  if (value instanceof Link) return { '/': value.cid }
  if (value instanceof Map) return Object.fromEntries([...value].map(([key, inner]) => [key, toPlain(inner)]))
  return Array.isArray(value) ? value.map(toPlain) : value
}
