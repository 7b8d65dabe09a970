/**
 * What a worker does: the key that signs answers, registration, an answer sealed and receipted, a claim. Nothing is believed that the
 * worker cannot check: a receipt counts when a quorum of the committee signed for exactly this answer.
 */

import { privateKeyToAccount } from '../vendor/viem.js'
import { get, post } from './api.js'
import { fromHex, keccak, leafOf, toHex } from './protocol/bytes.js'
import { digest, signer, typedData } from './protocol/messages.js'

const FAR_S = 30 * 86_400

// ------------------------------------------------------------------------------------------------------------ the answer key

const keyName = (state) => `crowdproof.key.${state.deployment.market}.${state.wallet.address}`.toLowerCase()

/** The key that this browser keeps for the wallet's answers, or null. */
export function answerKey(state) {
  const secret = localStorage.getItem(keyName(state))
  return secret ? privateKeyToAccount(secret) : null
}

/** Its number in the worker's record; -1 if this browser has no key of the worker's, or one that was revoked. */
export function keyNumber(state) {
  const key = answerKey(state)
  const at = key && state.worker ? state.worker.keys.findIndex((one) => one.toLowerCase() === key.address.toLowerCase()) : -1
  return at >= 0 && !state.worker.revoked.includes(at) ? at : -1
}

/**
 * The key, made of the wallet's own signature: the same wallet gives the same key in any browser, and the wallet is not asked again
 * for each answer. It signs answers and nothing else; it moves no money.
 */
export async function makeKey(state) {
  const text = [
    'crowdproof: make the key that signs my answers', '',
    'Sign this only on a crowdproof page that you trust: whoever has this signature can answer in your name. It moves no money.', '',
    `Page: ${location.origin}`, `Market: ${state.deployment.market}`, `Chain: ${state.deployment.chain_id}`,
  ].join('\n')
  const secret = toHex(keccak(fromHex(await state.wallet.signText(text))))
  localStorage.setItem(keyName(state), secret)
  return privateKeyToAccount(secret)
}

/** Asks the relayer to register the wallet with its answer key: nothing to pay. */
export async function register(state, now) {
  const key = answerKey(state) ?? (await makeKey(state))
  const message = { wallet: state.wallet.address, key: key.address, number: 0, validUntil: now + FAR_S }
  const signature = await state.wallet.signTyped(typedData(state.deployment.chain_id, state.deployment.workers, 'Register', message))
  await post('/registrations', { wallet: message.wallet, key: message.key, validUntil: message.validUntil, signature })
}

// ---------------------------------------------------------------------------------------------------------------- an answer

const receiptName = (state, offer) => `crowdproof.receipt.${state.deployment.market}.${offer.job}.${offer.task}.${offer.worker}`.toLowerCase()

/** Seals, signs and sends one answer; keeps its receipt. Throws if the receipt is not a quorum's. */
export async function answer(state, offer, payload) {
  const { seal } = await import('./protocol/seal.js')
  const key = answerKey(state)
  const members = state.deployment.committee.seal_keys.map(fromHex)
  const sealed = await seal(members, offer.job, offer.task, offer.worker, payload, offer.seal)
  const message = {
    job: offer.job, terms: offer.terms, task: offer.task, worker: offer.worker,
    commitment: toHex(sealed.commitment), sealHash: toHex(sealed.sealHash),
  }
  const hash = digest(state.deployment.chain_id, state.deployment.market, 'Answer', message)
  const { job, task, worker, commitment, sealHash } = message
  const body = {
    job, task, worker, commitment, sealHash, key: keyNumber(state), signature: await key.sign({ hash: toHex(hash) }),
    envelope: toHex(sealed.envelope), expiry: offer.expiry, assignedBy: offer.signature,
  }
  const receipt = await post('/answers', { answers: [body] })
  await requireQuorum(state.deployment, hash, receipt)
  localStorage.setItem(receiptName(state, offer), JSON.stringify({ answer: message, salt: toHex(sealed.salt), payload: toHex(payload), receipt }))
  return receipt
}

/** What this browser keeps of an answer that it sent: {answer, salt, payload, receipt}, or null. */
export function kept(state, offer) {
  const found = localStorage.getItem(receiptName(state, offer))
  return found ? JSON.parse(found) : null
}

async function requireQuorum({ chain_id: chainId, market, committee }, hash, receipt) {
  const root = leafOf('receipt', hash) // of one answer the tree is its leaf
  const message = digest(chainId, market, 'Receipt', { root: toHex(root), size: 1 })
  const members = new Set(committee.members.map((member) => member.toLowerCase()))
  const signers = new Set()
  for (const signature of receipt.signatures) {
    const who = await signer(message, fromHex(signature))
    if (members.has(who)) signers.add(who)
  }
  if (signers.size < committee.quorum) throw new Error('The receipt is not signed by a quorum of the committee. Keep this page open and try again.')
}

// ---------------------------------------------------------------------------------------------------------------- its money

/** Asks the relayer to claim everything that is final: the money goes to the worker's own wallet. */
export async function claim(state, balance, now) {
  const message = { worker: balance.worker, cumulative: balance.units, validUntil: now + FAR_S }
  const signature = await state.wallet.signTyped(typedData(state.deployment.chain_id, state.deployment.market, 'Claim', message))
  await post('/claims', { ...message, signature })
}

// ---------------------------------------------------------------------------------------------------------------- drafts

const draftName = (state, job, task) => `crowdproof.draft.${state.deployment.market}.${state.wallet.address}.${job}.${task}`.toLowerCase()

export function draftOf(state, job, task) {
  try {
    return JSON.parse(localStorage.getItem(draftName(state, job, task)) ?? 'null')
  } catch {
    return null
  }
}

export function keepDraft(state, job, task, value) {
  if (value === null) localStorage.removeItem(draftName(state, job, task))
  else localStorage.setItem(draftName(state, job, task), JSON.stringify(value))
}

/** Manifests by job; they never change. */
const manifests = new Map()
export async function manifestOf(job) {
  if (!manifests.has(job)) manifests.set(job, await get(`/jobs/${job}/manifest`))
  return manifests.get(job)
}

// ---------------------------------------------------------------------------------------------------------------- what is asked

/** What an answer to a job takes, in seconds: the requester's word, else a guess by its type. */
export function estimate(manifest) {
  const type = manifest.answer.asked?.type ?? 'choice'
  return { choice: 15, multi: 20, number: 15, ranking: 30, form: 40, text: 60, spans: 60, boxes: 60 }[type] ?? 30
}

export const STATES = {
  RESERVED: { text: 'assigned', kind: 'on' },
  ACTIVE: { text: 'assigned', kind: 'on' },
  SUBMITTED: { text: 'stored, sealed', kind: 'on' },
  ACCEPTED: { text: 'accepted', kind: 'good' },
  'NOT ACCEPTED': { text: 'not accepted', kind: 'bad' },
  RETURNED: { text: 'given back', kind: '' },
  'TIMED OUT': { text: 'time ran out', kind: '' },
}

/** The worker's assignments with where each stands. */
export async function assignments(state) {
  return (await get('/me/assignments')).map((one) => ({ ...one, worker: state.worker.worker }))
}
export const isOpen = (_, offer) => offer.state === 'RESERVED' || offer.state === 'ACTIVE'
export const isSent = (_, offer) => ['SUBMITTED', 'ACCEPTED', 'NOT ACCEPTED'].includes(offer.state)

/** One of the worker's tasks: {assignment, payload, draft}; from then on it is being worked on. */
export const taskOf = (job, task) => get(`/me/assignments/${job}/${task}`)

/** Everything but what still waits for an answer, the newest job first. */
export async function history(state) {
  return (await assignments(state)).filter((one) => !isOpen(state, one)).toReversed()
}

export const giveBack = (_, offer) => post(`/me/assignments/${offer.job}/${offer.task}/return`, {})

/** Until when (block time) an answer can be contested, or 0. */
export const contestable = (one, now) => (one.state === 'NOT ACCEPTED' && one.contestUntil > now ? one.contestUntil : 0)

/** Contests the rejection of an answer; the wallet pays the deposit, which comes back to who is right. */
export async function contest(state, one, text) {
  const { calls } = await post('/transactions/contest', { job: one.job, task: one.task, worker: state.worker.worker, title: 'Why the answer counts', text })
  for (const { to, data, value } of calls) await state.wallet.send({ to, data, value: BigInt(value) })
}
