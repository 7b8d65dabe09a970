/**
 * What a requester does: a manifest from a form, its check and price, its funding in one go, and what can be changed afterwards.
 * What a wallet signs is compared here with what the form says: terms, escrow and receiver, so that no server need be believed.
 */

import { decodeEventLog, decodeFunctionData } from '../vendor/viem.js'
import { post } from './api.js'
import { TERMS, termsHash } from './protocol/history.js'
import { toHex } from './protocol/bytes.js'
import { amount } from './format.js'
import { classesOf, mustBeFree } from './types.js'

export const FORM = {
  title: '', instructions: '', type: 'choice', classes: '', labels: '', low: '0', high: '10', step: '1', fields: '', checks: '', shortest: '1', languages: '',
  tasks: [], most: '3', least: '1', base: '0.02', bonus: '0.005', days: '7', minutes: '60', gold: '0', qualifications: '', allow: '', deny: '', machines: '',
  visibility: 'public', seal: 'members', rule: 'weighted', fee: '2.5',
}

const lines = (text) => text.split('\n').map((line) => line.trim()).filter(Boolean)

/** How a worker is asked, by the form: {type, classes, ...}, free without classes; throws RangeError with what is missing. */
export function askedOf(form) {
  const { type } = form
  const spec = { type }
  if (type === 'number') Object.assign(spec, { low: Number(form.low), high: Number(form.high), step: Number(form.step) })
  if (['multi', 'ranking', 'spans', 'boxes'].includes(type)) spec.labels = lines(form.labels)
  if (type === 'form') spec.fields = fieldsOf(form.fields)
  if (mustBeFree(spec)) return { ...whole(spec), free: true }
  const given = type === 'choice' ? lines(form.classes) : undefined
  if (given && new Set(given).size < given.length) throw new RangeError('Two answers are the same.')
  return { ...spec, classes: ordered(classesOf({ ...spec, classes: given })) }
}

function whole(spec) {
  if (spec.labels && !spec.labels.length) throw new RangeError('Name at least one label.')
  if (spec.type === 'number' && !(spec.low < spec.high)) throw new RangeError('The highest number must be above the lowest.')
  return spec
}

/** Which texts are rejected, by the form; nothing where no check is asked for. */
function contentOf(form) {
  if (form.type !== 'text' || !form.checks) return {}
  const languages = form.languages.split(',').map((one) => one.trim().toLowerCase()).filter(Boolean)
  const reject = [...CHECKS[form.checks].reject, ...(languages.length ? ['language'] : [])]
  return { content: { reject, least: Number(form.shortest), ...(languages.length ? { languages } : {}) } }
}

export const CHECKS = {
  length: { text: 'Reject what is too short', reject: ['length'] },
  nonsense: { text: 'Reject nonsense and repetition too', reject: ['length', 'gibberish', 'monotony', 'echo', 'repeat'] },
  copies: { text: 'Reject copied answers too', reject: ['length', 'gibberish', 'monotony', 'echo', 'repeat', 'copy'] },
}

function fieldsOf(text) {
  return Object.fromEntries(lines(text).map((line) => {
    const [name, labels] = line.split(':')
    if (!labels) throw new RangeError('Each line is a question, a colon, and its answers with commas between.')
    return [name.trim(), labels.split(',').map((label) => label.trim()).filter(Boolean)]
  }))
}

/** Numerically if all are integers, else by UTF-8 bytes: the order that the manifest asks for. */
function ordered(classes) {
  const whole = classes.every((text) => /^-?\d+$/.test(text))
  const bytes = (text) => [...new TextEncoder().encode(text)]
  return [...classes].sort(whole ? (a, b) => Number(a) - Number(b) : (a, b) => compare(bytes(a), bytes(b)))
}

function compare(a, b) {
  const at = a.findIndex((byte, i) => byte !== b[i])
  return at < 0 ? a.length - b.length : a[at] - (b[at] ?? -1)
}

/** The manifest that a form describes. `now`: block time. Throws RangeError. */
export function manifestOf(form, now) {
  const { classes, free, ...asked } = askedOf(form)
  const answer = free ? { type: 'free', asked, ...contentOf(form) } : { type: 'choice', classes, ...(asked.type === 'choice' ? {} : { asked }) }
  return {
    version: 1, title: form.title.trim(), instructions: form.instructions.trim(),
    answer,
    redundancy: { most: Number(form.most), least: Number(form.least) },
    reward: { base: units(form.base, 'pay'), bonus: units(form.bonus || '0', 'bonus') },
    feeBps: Math.round(Number(form.fee) * 100), decision: { rule: form.rule },
    deadline: now + Math.round(Number(form.days) * 86_400), assignmentSeconds: Math.round(Number(form.minutes) * 60),
    goldShare: Number(form.gold) / 100, qualifications: form.qualifications.split(',').map((one) => one.trim()).filter(Boolean),
    allow: lines(form.allow), deny: lines(form.deny), visibility: form.visibility,
    ...(form.machines?.trim() ? { machines: lines(form.machines) } : {}),
    ...(form.seal === 'threshold' ? { seal: form.seal } : {}),
  }
}

function units(text, what) {
  const found = amount(text)
  if (found === null) throw new RangeError(`The ${what} must be an amount such as 0.02.`)
  return String(found)
}

/** A form from a template of the API. */
export function fromTemplate({ manifest, tasks }) {
  const { classes = [], asked = { type: 'choice' }, content } = manifest.answer
  const { low = FORM.low, high = FORM.high, step = FORM.step, labels = [] } = asked
  const checks = content ? { checks: 'nonsense', shortest: String(content.least ?? 1), languages: (content.languages ?? []).join(', ') } : {}
  return {
    ...FORM, title: manifest.title, instructions: manifest.instructions, type: asked.type, classes: classes.join('\n'), labels: labels.join('\n'),
    low: String(low), high: String(high), step: String(step), tasks, most: String(manifest.redundancy.most), least: String(manifest.redundancy.least ?? 1), ...checks,
  }
}

/** Tasks from a file of the requester's, with its flaws by row. */
export async function importFile(file) {
  const response = await fetch(`/jobs/import?${new URLSearchParams({ name: file.name })}`, { method: 'POST', headers: { 'content-type': 'application/octet-stream' }, body: file })
  const document = await response.json()
  if (!response.ok) throw new Error(document.detail ?? 'The file could not be read.')
  return document
}

/** Tasks from lines of text. */
export const fromLines = (text) => lines(text).map((line, at) => ({ id: String(at + 1), payload: { text: line } }))

export const check = (manifest, tasks) => post('/jobs/check', { manifest, tasks })

/** Stores the content, asks the wallet, funds: the number of the job. `say` tells what is under way. */
export async function fund(state, manifest, tasks, quote, say) {
  const { wallet, deployment } = state
  say('Storing the content at the committee')
  const draft = await post('/jobs/drafts', { manifest, tasks })
  if (draft.quote.escrow !== quote.escrow) throw new Error('The server’s price differs from the one shown. Nothing was sent.')
  say('Waiting for your wallet')
  const receipt = (await batch(state, draft, quote)) ?? (await permitted(state, draft, quote))
  const opened = receipt.logs.map((log) => event(deployment, log)).find((found) => found?.eventName === 'JobOpened')
  if (!opened) throw new Error('The transaction opened no job.')
  if (opened.args.requester.toLowerCase() !== wallet.address.toLowerCase()) throw new Error('The job belongs to somebody else.')
  return Number(opened.args.job)
}

async function batch({ wallet, deployment }, draft, quote) {
  if (!draft.transactions) return null
  const [approve, open] = draft.transactions.calls
  requireTerms(deployment, open, draft.terms, quote)
  requireApproval(deployment, approve, quote)
  return wallet.sendBatch([approve, open])
}

async function permitted({ wallet, deployment }, draft, quote) {
  if (!draft.permit) {
    const [approve, open] = draft.transactions.calls
    await wallet.send(plain(approve))
    return wallet.send(plain(open))
  }
  requirePermit(deployment, draft.permit, wallet, quote)
  const signature = await wallet.signTyped(draft.permit)
  const { calls } = await post('/transactions/open', { terms: draft.terms, permit: { deadline: Number(draft.permit.message.deadline), signature } })
  requireTerms(deployment, calls[0], draft.terms, quote)
  return wallet.send(plain(calls[0]))
}

const plain = ({ to, data, value }) => ({ to, data, value: BigInt(value ?? 0) })
const same = (one, two) => String(one).toLowerCase() === String(two).toLowerCase()

function requireTerms(deployment, { to, data }, hash, quote) {
  const { functionName, args } = decodeFunctionData({ abi: deployment.abis.Market, data })
  const [terms] = args
  const pay = BigInt(terms.tasks) * BigInt(terms.answers) * (BigInt(terms.base) + BigInt(terms.bonus))
  const escrow = (pay + (pay * BigInt(terms.feeBps)) / 10_000n) * BigInt(deployment.unit)
  const holds = same(to, deployment.market) && /^openJob/.test(functionName) && toHex(termsHash(Object.fromEntries(TERMS.map((name) => [name, terms[name]])))) === hash
  if (!holds || escrow !== BigInt(quote.escrow)) throw new Error('The server’s transaction is not the job that you described. Nothing was sent.')
}

function requireApproval(deployment, { to, data }, quote) {
  const { functionName, args } = decodeFunctionData({ abi: deployment.abis.DemoToken, data })
  if (!same(to, deployment.token) || functionName !== 'approve' || !same(args[0], deployment.market) || args[1] !== BigInt(quote.escrow)) throw new Error('The server’s approval is not for this escrow. Nothing was sent.')
}

function requirePermit(deployment, { domain, message }, wallet, quote) {
  const holds = same(domain.verifyingContract, deployment.token) && same(message.spender, deployment.market) && same(message.owner, wallet.address) && BigInt(message.value) === BigInt(quote.escrow)
  if (!holds) throw new Error('The server’s permit is not for this escrow. Nothing was signed.')
}

function event(deployment, { data, topics }) {
  try {
    return decodeEventLog({ abi: deployment.abis.Market, data, topics })
  } catch {
    return null // of another contract
  }
}

// ------------------------------------------------------------------------------------------------------- a job under way

/** Sends what the API makes ready for an action on a job, call by call. */
export async function act(state, path, body) {
  const { calls } = await post(`/transactions/${path}`, body)
  const batched = calls.length > 1 ? await state.wallet.sendBatch(calls.map(plain)) : null
  if (!batched) for (const call of calls) await state.wallet.send(plain(call))
}

/** What the public verdicts say by themselves, in the form of the requester's statistics. */
export function publicly(verdicts, progress) {
  const confidence = Array(10).fill(0)
  const labels = {}
  for (const one of verdicts) {
    confidence[Math.min(9, Math.floor(one.confidence * 10))] += 1
    labels[one.label] = (labels[one.label] ?? 0) + 1
  }
  const meanConfidence = verdicts.reduce((sum, one) => sum + one.confidence, 0) / (verdicts.length || 1)
  return { decided: progress.decided, confidence, labels, meanConfidence }
}
