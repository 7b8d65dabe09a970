/**
 * What an auditor does: read the events, verify an epoch or one verdict. Each step says what it compared; a step that fails says where.
 * The chain is asked directly; the API is only a shelf of blocks, each checked against its name.
 */

import { decodeFunctionData } from '../vendor/viem.js'
import { block } from './api.js'
import { count } from './format.js'
import { fromHex, toHex } from './protocol/bytes.js'
import { CODECS, fromDigest } from './protocol/cid.js'
import * as rules from './protocol/audit.js'
import { readCandidates, readEpoch, readJob } from './protocol/epoch.js'
import { configuration, fold } from './protocol/history.js'
import { confidence, scores } from './protocol/scoring.js'
import { proof, verify } from './protocol/trees.js'

const known = { market: '', events: [], newest: -1, history: null }

let turn = Promise.resolve()

/** {events, history}: all events so far, and what follows from them. One look after the other: two would take the same events twice. */
export function look(chain, deployment) {
  const mine = turn.then(() => lookOn(chain, deployment))
  turn = mine.catch(() => {})
  return mine
}

async function lookOn(chain, deployment) {
  if (known.market !== deployment.market) Object.assign(known, { market: deployment.market, events: [], newest: -1, history: null })
  const from = known.newest < 0 ? deployment.block : known.newest + 1
  const found = await chain.events(from)
  const events = [...known.events, ...found.events]
  const history = found.events.length || !known.history ? fold(deployment, events) : known.history
  Object.assign(known, { events, history, newest: found.newest })
  return { events, history, newest: found.newest }
}

export const cidOfContent = (content) => fromDigest(CODECS.dagCbor, fromHex(content))

/** Steps of a check, as they go: {name, detail, ok: true, false or null while it runs}. */
class Steps {
  constructor(shown) {
    this.list = []
    this.shown = shown
  }

  async run(name, work) {
    const step = { name, detail: '', ok: null }
    this.list.push(step)
    await this.say(step, '')
    try {
      const detail = await work((text) => this.say(step, text))
      Object.assign(step, { ok: true, detail })
    } catch (problem) {
      Object.assign(step, { ok: false, detail: problem.message })
      throw problem
    } finally {
      await this.say(step, step.detail)
    }
  }

  async say(step, text) {
    step.detail = text
    this.shown([...this.list])
    await new Promise((done) => setTimeout(done))
  }
}

class Faulty extends Error {}

function requireNone(faults) {
  if (!faults.length) return
  const [first] = faults
  throw new Faulty(`${first.tree} ${first.index}: ${first.what}${faults.length > 1 ? `, and ${faults.length - 1} more` : ''}`)
}

/** Verifies one epoch. `shown` gets the steps as they go. True if everything holds; false after the first step that does not. */
export async function verifyEpoch(chain, deployment, number, shown) {
  const steps = new Steps(shown)
  const at = {}
  try {
    await steps.run('The chain’s events link up', async () => {
      Object.assign(at, await look(chain, deployment))
      at.post = at.history.posts[number - 1]
      if (!at.post) throw new Faulty(`there is no epoch ${number}`)
      return `${at.events.length.toLocaleString('en')} events up to block ${at.newest}; every head follows from the one before`
    })
    await steps.run('The header is the one that was posted', async () => {
      at.posted = await postedIn(chain, deployment, at.post)
      requireNone(rules.header(at.post, at.posted, null, deployment, configuration))
      return `digest ${at.post.digest}`
    })
    await steps.run('A quorum of the committee signed it', async () => {
      const signers = await rules.signersOf(at.post, at.posted.signatures)
      if (signers.length < at.post.committee.quorum) throw new Faulty(`${signers.length} members signed, ${at.post.committee.quorum} are needed`)
      return `${signers.length} of ${at.post.committee.members.length} members, recovered from their signatures`
    })
    await steps.run('The data is the data that was signed', async (say) => {
      const size = { blocks: 0, bytes: 0 }
      const tally = (_, bytes) => {
        size.blocks += 1
        size.bytes += bytes
      }
      at.ledger = await ledgerBefore(at.history, number, tally, say)
      at.epoch = await readEpoch(block, fromHex(at.post.content), tally)
      requireNone(rules.header(at.post, at.posted, at.epoch, deployment, configuration))
      return `${size.blocks} blocks, ${Math.ceil(size.bytes / 1024).toLocaleString('en')} kB: each hashes to its CID, all four trees have the signed roots`
    })
    await steps.run('Every answer is signed by its worker, every verdict follows from the answers', async (say) => {
      requireNone(await rules.decisions(at.epoch, at.history, at.ledger, deployment, (done, all) => say(`${done} of ${all} verdicts`)))
      const answers = at.epoch.verdicts.reduce((sum, verdict) => sum + verdict.cores.length, 0)
      return `${count(answers, 'answer')} in ${count(at.epoch.verdicts.length, 'verdict')}: signatures, commitments, weights and the integer decision`
    })
    await steps.run('Everyone is paid what follows from the verdicts', async () => {
      requireNone(rules.pay(at.epoch, at.history, at.ledger))
      return `${count(at.epoch.balances.length, 'balance')} and ${count(at.epoch.debits.length, 'debit')}, to the unit`
    })
    return true
  } catch (problem) {
    if (steps.list.at(-1)?.ok !== false) throw problem
    return false
  }
}

async function postedIn(chain, deployment, post) {
  const transaction = await chain.transaction(post.transaction)
  if (!transaction || transaction.to?.toLowerCase() !== deployment.market.toLowerCase()) throw new Faulty('the epoch was not posted by a plain transaction to the Market')
  const { functionName, args } = decodeFunctionData({ abi: deployment.abis.Market, data: transaction.input })
  if (functionName !== 'postEpoch') throw new Faulty('the transaction posts no epoch')
  const [header, debits, signatures] = args
  return { header, debits, signatures }
}

async function ledgerBefore(history, number, tally, say) {
  const ledger = rules.noLedger()
  for (const post of history.posts.slice(0, number - 1)) {
    if (post.status === 'struck') continue
    await say(`reading epoch ${post.epoch}`)
    rules.advance(ledger, await readEpoch(block, fromHex(post.content), tally))
  }
  return ledger
}

/** One verdict with everything from which it follows: {post, epoch, verdict, index, rows, scores, confidence, path, manifest, names, task}. */
export async function openVerdict(chain, deployment, job, task) {
  const { history } = await look(chain, deployment)
  for (const post of history.posts.toReversed()) {
    if (post.status === 'struck') continue
    const epoch = await readEpoch(block, fromHex(post.content))
    const index = epoch.verdicts.findIndex((verdict) => verdict.job === job && verdict.task === task)
    if (index >= 0) return opened(chain, deployment, history, post, epoch, index)
  }
  return null
}

async function opened(chain, deployment, history, post, epoch, index) {
  const verdict = epoch.verdicts[index]
  const { header } = await postedIn(chain, deployment, post)
  const path = proof(epoch.leaves.verdicts, index)
  const { terms } = history.jobs.get(verdict.job)
  const { manifest, tasks } = await readJob(block, fromHex(terms.manifest))
  const names = terms.free ? await readCandidates(block, epoch, verdict.job, verdict.task) : manifest.get('answer').get('classes')
  const rows = rules.rowsOf(epoch, verdict)
  return {
    post, verdict, index, path, cores: verdict.cores, weights: epoch.weights, rows, manifest, names, task: tasks[verdict.task],
    scores: scores(verdict.prior, rows), confidence: confidence(verdict.prior, rows), leaf: toHex(verdict.leaf),
    included: verify(fromHex(header.verdicts), Number(header.verdictsSize), index, verdict.leaf, path),
  }
}
