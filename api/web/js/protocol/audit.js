/**
 * Whether an epoch obeys the rules, recomputed in this browser: the twin of oracle/protocol/audit.py.
 *
 * epoch, the chain's history, what earlier epochs gave -> faults, each {tree, index, what}. Nothing here believes the API: blocks were
 * hashed, leaves recomputed, and roots compared with the header that a quorum signed, before these rules are asked.
 */

import { ZERO, equal, fromHex, keccak, toHex } from './bytes.js'
import { STATUS } from './epoch.js'
import { digest, signer } from './messages.js'
import { commitment as commitmentOf } from './commitment.js'
import { decide, rowFault } from './scoring.js'

const NOTHING = 4294967295 // the row of what is not counted
const NO_LABEL = 255

/** What earlier epochs that were not struck settled. */
export const noLedger = () => ({ cumulative: [], total: 0n, decided: new Set(), offers: new Map() })

export function advance(ledger, epoch) {
  ledger.offers.set(epoch.epoch, epoch.assignments)
  ledger.cumulative = epoch.balances.map((balance) => balance.cumulative)
  ledger.total = epoch.total
  for (const verdict of epoch.verdicts) ledger.decided.add(`${verdict.job}/${verdict.task}`)
  return ledger
}

/** Every fault of answers and decisions. `progress(done, all)` is called now and then, and may be awaited. */
export async function decisions(epoch, history, ledger, deployment, progress = () => {}) {
  const faults = [...order(epoch), ...assignments(epoch, history), ...weights(epoch, history)]
  for (const [index, verdict] of epoch.verdicts.entries()) {
    for await (const what of ofVerdict(epoch, verdict, history, ledger, deployment)) faults.push({ tree: 'verdicts', index, what })
    if (index % 20 === 0) await progress(index, epoch.verdicts.length)
  }
  return faults
}

function* order(epoch) {
  const keys = {
    balances: epoch.balances.map(({ worker }) => [worker]), weights: epoch.weights.map(({ job, worker, label }) => [job, worker, label]),
    verdicts: epoch.verdicts.map(({ job, task }) => [job, task]), assignments: epoch.assignments.map(({ job, task, worker }) => [job, task, worker]),
  }
  for (const [tree, list] of Object.entries(keys)) {
    for (let at = 1; at < list.length; at++) if (!ascends(list[at - 1], list[at])) yield { tree, index: at, what: 'the leaves are not in ascending order' }
  }
}

function ascends(one, two) {
  const at = one.findIndex((value, i) => value !== two[i])
  return at >= 0 && one[at] < two[at]
}

function* assignments(epoch, { jobs, workers }) {
  for (const [index, offer] of epoch.assignments.entries()) {
    const job = jobs.get(offer.job)
    if (!job || offer.terms !== job.hash || offer.task >= job.terms.tasks) yield { tree: 'assignments', index, what: `job ${offer.job} has no such task or other terms` }
    else if (!workers.has(offer.worker) || offer.worker === 0) yield { tree: 'assignments', index, what: `worker ${offer.worker} is not registered` }
  }
}

function* weights(epoch, { jobs }) {
  for (const [index, row] of epoch.weights.entries()) {
    const job = jobs.get(row.job)
    const what = !job || row.label >= job.terms.classes ? 'is of no job' : rowFault(job.terms, row.label, row.row)
    if (what) yield { tree: 'weights', index, what: `the row of worker ${row.worker} ${what}` }
  }
}

async function* ofVerdict(epoch, verdict, history, ledger, deployment) {
  const job = history.jobs.get(verdict.job)
  if (!job || verdict.task >= job.terms.tasks) return yield `job ${verdict.job} has no task ${verdict.task}`
  if (ledger.decided.has(`${verdict.job}/${verdict.task}`)) yield 'the task already has a verdict'
  const cap = job.terms.weightCap ? job.terms.priorCap : 0
  if (verdict.prior.length !== job.terms.classes || verdict.prior.some((bias) => Math.abs(bias) > cap)) return yield 'the prior breaks the terms'
  const { cores, openings } = verdict
  if (!cores.length || cores.length !== openings.length || cores.length > job.terms.answers) return yield `${cores.length} answers are listed, the job allows ${job.terms.answers}`
  if (cores.some((core, at) => at && cores[at - 1].worker >= core.worker)) return yield 'the answers are not in ascending order of their workers'
  let sound = true
  for (const [at, core] of cores.entries()) {
    for await (const what of ofAnswer(epoch, verdict, core, openings[at], history, ledger, deployment)) {
      sound = false
      yield `the answer of worker ${core.worker} ${what}`
    }
  }
  if (!sound) return
  const label = decide(verdict.prior, rowsOf(epoch, verdict))
  if (label !== verdict.label) yield `the label is ${verdict.label}, the scores say ${label}`
}

/** The weights of a verdict's counted answers. */
export const rowsOf = (epoch, verdict) => verdict.cores.filter((core) => core.status === 0).map((core) => epoch.weights[core.row].row)

async function* ofAnswer(epoch, verdict, core, opening, history, ledger, deployment) {
  const offers = core.epoch === epoch.epoch ? epoch.assignments : ledger.offers.get(core.epoch)
  const offer = offers?.[core.index]
  if (!offer || offer.job !== verdict.job || offer.task !== verdict.task || offer.worker !== core.worker) yield 'has no assignment where it points'
  const key = core.worker ? history.workers.get(core.worker)?.keys[core.key] : undefined
  if (!key) yield `is by no registered key (${core.key})`
  else {
    const terms = history.jobs.get(verdict.job).hash
    const message = { job: verdict.job, terms, task: verdict.task, worker: core.worker, commitment: toHex(opening.commitment), sealHash: toHex(opening.sealHash) }
    const signed = await signer(digest(deployment.chain_id, deployment.market, 'Answer', message), opening.signature)
    if (signed !== key) yield 'is not signed by its key'
  }
  yield* ofStatus(epoch, verdict, core, opening, history.jobs.get(verdict.job).terms.free)
}

/** `free`: which candidate a free answer stands for is judgement. */
function* ofStatus(epoch, verdict, core, opening, free) {
  const status = STATUS[core.status]
  if (!status) return yield `has the unknown status ${core.status}`
  if ((status === 'rejected') !== !equal(opening.reason, ZERO)) yield 'has a reason and is not rejected, or is rejected without one'
  if (status === 'unopened') {
    if (opening.payload.length || !equal(opening.salt, ZERO)) yield 'is listed as unopened and yet has an opening'
    if (!opening.envelope) yield 'is listed as unopened without the envelope that was signed'
  } else if (opening.envelope) yield 'is opened and yet carries its envelope'
  else if (equal(opening.salt, ZERO) || !equal(opening.commitment, commitmentOf(verdict.job, verdict.task, core.worker, opening.payloadHash, opening.salt))) {
    yield 'does not fit its commitment'
  }
  if (status === 'counted') {
    const row = epoch.weights[core.row]
    if (!row || row.job !== verdict.job || row.worker !== core.worker || row.label !== core.label) yield 'points to another weight row'
    else if (!free && !equal(opening.payloadHash, keccak(Uint8Array.of(core.label)))) yield 'is listed with another label than it says'
  } else if (core.label !== NO_LABEL || core.row !== NOTHING) yield 'does not count and yet has a label or a row'
}

// ------------------------------------------------------------------------------------------------------------------- pay

const payOf = (terms, verdict) => verdict.cores.reduce((sum, core) => (core.status === 0 ? sum + terms.base + (core.label === verdict.label ? terms.bonus : 0n) : sum), 0n)

/** Every fault of money, of an epoch whose decisions have none. */
export function pay(epoch, history, ledger) {
  const { debits, earned, total } = settled(epoch, history)
  const faults = []
  const running = new Map()
  for (const [index, verdict] of epoch.verdicts.entries()) {
    const sum = (running.get(verdict.job) ?? 0n) + payOf(history.jobs.get(verdict.job).terms, verdict)
    running.set(verdict.job, sum)
    if (verdict.pay !== sum) faults.push({ tree: 'verdicts', index, what: `the running pay is ${verdict.pay}, it must be ${sum}` })
  }
  const said = JSON.stringify(epoch.debits.map(([job, amount, last]) => [job, String(amount), last]))
  if (said !== JSON.stringify(debits.map(([job, amount, last]) => [job, String(amount), last]))) faults.push({ tree: 'debits', index: 0, what: 'a debit is not the pay of its job' })
  if (epoch.total !== ledger.total + total) faults.push({ tree: 'balances', index: 0, what: `the total is ${epoch.total}, it must be ${ledger.total + total}` })
  return [...faults, ...balances(epoch, history, ledger, earned)]
}

function settled(epoch, history) {
  const [paid, last, earned] = [new Map(), new Map(), new Map()]
  const give = (worker, verdict, amount) => earned.set(worker, [...(earned.get(worker) ?? []), { verdict, pay: amount }])
  for (const [index, verdict] of epoch.verdicts.entries()) {
    const { terms } = history.jobs.get(verdict.job)
    for (const core of verdict.cores) if (core.status === 0) give(core.worker, index, terms.base + (core.label === verdict.label ? terms.bonus : 0n))
    paid.set(verdict.job, (paid.get(verdict.job) ?? 0n) + payOf(terms, verdict))
    last.set(verdict.job, index)
  }
  const debits = [...paid.keys()].sort((a, b) => a - b).map((job) => [job, paid.get(job), last.get(job)])
  const fees = debits.map(([job, amount, at]) => ({ verdict: at, pay: (amount * BigInt(history.jobs.get(job).terms.feeBps)) / 10_000n }))
  for (const fee of fees) if (fee.pay) give(0, fee.verdict, fee.pay)
  const total = debits.reduce((sum, [, amount]) => sum + amount, 0n) + fees.reduce((sum, fee) => sum + fee.pay, 0n)
  return { debits, earned, total }
}

function* balances(epoch, history, ledger, earned) {
  const least = Math.max(ledger.cumulative.length, ...[...earned.keys()].map((worker) => worker + 1))
  if (epoch.balances.length < least) return yield { tree: 'balances', index: epoch.balances.length, what: 'an account is missing' }
  for (const [index, balance] of epoch.balances.entries()) {
    const mine = earned.get(index) ?? []
    const must = (ledger.cumulative[index] ?? 0n) + mine.reduce((sum, one) => sum + one.pay, 0n)
    const wallet = history.workers.get(index)?.wallet ?? toHex(new Uint8Array(20))
    if (balance.worker !== index || balance.cumulative !== must) yield { tree: 'balances', index, what: `worker ${balance.worker} has ${balance.cumulative} in all, it must be ${must}` }
    else if (balance.wallet.toLowerCase() !== wallet.toLowerCase() && index > 0) yield { tree: 'balances', index, what: 'it is of another wallet than the registry says' }
    else if (JSON.stringify(balance.earnings, plain) !== JSON.stringify(mine, plain)) yield { tree: 'balances', index, what: 'its earnings differ' }
  }
}

const plain = (_, value) => (typeof value === 'bigint' ? String(value) : value)

// --------------------------------------------------------------------------------------------------------------- header

/** What of a header does not fit the chain and the data under it: [{what}]. `decoded`: the arguments of `postEpoch`. */
export function header(post, { header: head, signatures }, epoch, deployment, configuration) {
  const faults = []
  const say = (holds, what) => holds || faults.push({ tree: 'header', index: 0, what })
  say(toHex(digest(deployment.chain_id, deployment.market, 'Header', head)) === post.digest, 'the header in the transaction is not the one posted')
  say(equal(fromHex(head.previous), post.previous), 'it does not follow the head before it')
  say(equal(fromHex(head.configuration), configuration(deployment, post.committee)), 'it is for another deployment or committee')
  if (!epoch) return faults
  for (const [name, tree] of Object.entries(epoch.trees)) {
    say(equal(fromHex(head[name]), tree.root) && Number(head[`${name}Size`]) === tree.size, `the ${name} in the content store are not those signed`)
  }
  say(BigInt(head.total) === epoch.total, 'the total in the content store is not the one signed')
  say(signatures.length > 2, 'it carries no signatures')
  return faults
}

/** The committee members (lower case) that signed a header. */
export async function signersOf(post, signatures) {
  const bytes = fromHex(signatures)
  const found = []
  for (let at = 0; at + 65 <= bytes.length; at += 65) found.push(await signer(fromHex(post.digest), bytes.slice(at, at + 65)))
  const members = new Set(post.committee.members)
  return [...new Set(found)].filter((one) => members.has(one))
}
