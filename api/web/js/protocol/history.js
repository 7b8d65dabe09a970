/** What the chain's events say, folded as oracle/protocol/state.py does: committees, workers' keys, jobs' terms, posted epochs, heads. */

import { equal, fromHex, keccak, tag, tagged, toHex, word, words } from './bytes.js'

export class Contradiction extends Error {
  constructor(what) {
    super(`The chain's events do not fit together: ${what}`)
  }
}

export const TERMS = ['classes', 'tasks', 'answers', 'base', 'bonus', 'feeBps', 'weightCap', 'priorCap', 'taskRoot', 'manifest', 'parent', 'free']

export function termsHash(terms) {
  return tagged('terms', ...TERMS.map((name) => (typeof terms[name] === 'string' ? fromHex(terms[name]) : BigInt(terms[name]))))
}

export function committeeDigest({ members, sealKeys, quorum }) {
  const array = (items) => [word(items.length), ...items.map((item) => word(fromHex(item)))]
  const head = words(tag('committee'), 128, 128 + 32 * (members.length + 1), quorum)
  return keccak(concat(head, ...array(members), ...array(sealKeys)))
}

export function deploymentDigest(d) {
  const contracts = [d.market, d.workers, d.committee.address, d.referee, d.disputes, d.hatch, d.token].map(fromHex)
  return tagged('deployment', d.chain_id, ...contracts, d.unit, d.window)
}

export function configuration(deployment, committee) {
  return tagged('configuration', deploymentDigest(deployment), committeeDigest(committee))
}

export const posted = (head, digest, signers) => tagged('head', head, digest, signers)
export const struck = (head) => tagged('struck', head)

function concat(...parts) {
  return parts.reduce((sum, part) => {
    const out = new Uint8Array(sum.length + part.length)
    out.set(sum)
    out.set(part, sum.length)
    return out
  }, new Uint8Array())
}

/** {committees, workers, jobs, posts, claimed, head}: numbers as keys, amounts in units (BigInt). Throws Contradiction. */
export function fold(deployment, events) {
  const state = { committees: [], workers: new Map(), jobs: new Map(), posts: [], claimed: new Map(), head: deploymentDigest(deployment) }
  for (const event of events) STEPS[event.name]?.(state, event.args, event)
  return state
}

const require = (holds, what) => {
  if (!holds) throw new Contradiction(what)
}

const STEPS = {
  ChangeEnacted(state, { members, sealKeys, quorum, digest }) {
    const committee = { members: members.map((one) => one.toLowerCase()), sealKeys, quorum: Number(quorum), since: state.posts.length + 1 }
    require(toHex(committeeDigest(committee)) === digest, 'the members of a committee do not have their hash')
    state.committees.push(committee)
  },
  WorkerRegistered(state, { worker, wallet }) {
    state.workers.set(Number(worker), { wallet, keys: [], revoked: new Set() })
  },
  KeyAdded(state, { worker, number, key }) {
    const keys = state.workers.get(Number(worker))?.keys
    require(keys?.length === Number(number), `key ${number} of worker ${worker} is out of order`)
    keys.push(key.toLowerCase())
  },
  KeyRevoked(state, { worker, number }) {
    state.workers.get(Number(worker))?.revoked.add(Number(number))
  },
  JobOpened(state, { job, requester, termsHash: hash, terms, deadline, escrow }, { transaction }) {
    require(Number(job) === state.jobs.size + 1, `job ${job} follows job ${state.jobs.size}`)
    require(toHex(termsHash(terms)) === hash, `the terms of job ${job} do not have their hash`)
    const plain = Object.fromEntries(TERMS.map((name) => [name, typeof terms[name] === 'bigint' && !['base', 'bonus'].includes(name) ? Number(terms[name]) : terms[name]]))
    state.jobs.set(Number(job), { requester, terms: { ...plain, base: BigInt(terms.base), bonus: BigInt(terms.bonus) }, hash, deadline: Number(deadline), escrow: BigInt(escrow), refunded: 0n, transaction })
  },
  JobFunded: (state, { job, amount }) => void (state.jobs.get(Number(job)).escrow += BigInt(amount)),
  JobClosed: (state, { job, deadline }) => void (state.jobs.get(Number(job)).deadline = Number(deadline)),
  JobRefunded: (state, { job, amount }) => void (state.jobs.get(Number(job)).refunded += BigInt(amount)),
  Claimed: (state, { worker, cumulative }) => void state.claimed.set(Number(worker), BigInt(cumulative)),
  EpochPosted(state, { epoch, head, digest, content, signers }, { transaction, block }) {
    require(Number(epoch) === state.posts.length + 1, `epoch ${epoch} follows epoch ${state.posts.length}`)
    require(equal(posted(state.head, fromHex(digest), signers), fromHex(head)), `the head of epoch ${epoch} does not link`)
    const committee = state.committees.findLast((one) => one.since <= Number(epoch))
    state.posts.push({ epoch: Number(epoch), previous: state.head, head, digest, content, signers: BigInt(signers), transaction, block, committee, status: 'pending' })
    state.head = fromHex(head)
  },
  EpochFinalised: (state, { epoch, total }) => void Object.assign(state.posts[Number(epoch) - 1], { status: 'final', total: BigInt(total) }),
  EpochStruck(state, { epoch, head }) {
    require(equal(struck(state.head), fromHex(head)), `the head after the strike of epoch ${epoch} does not link`)
    state.posts[Number(epoch) - 1].status = 'struck'
    state.head = fromHex(head)
  },
}
