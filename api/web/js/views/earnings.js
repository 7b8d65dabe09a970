/** What a worker earned: pending, claimable, paid; each answer with what became of it; a record to take along. */

import { get } from '../api.js'
import { blockTime } from '../app.js'
import { h } from '../dom.js'
import { csv, download, money, short } from '../format.js'
import * as worker from '../worker.js'
import { needsWallet } from './frame.js'
import { signInCard } from './session.js'

export default { title: () => 'Earnings', load, view }

async function load(state, act) {
  if (!state.worker) return null
  state.now = await act.now()
  const balance = await get(`/workers/${state.worker.worker}/balance`)
  const history = (await act.private()) ? await worker.history(state) : null
  return { balance, history }
}

function view(state, act) {
  const { balance, history } = state.data
  const heading = h('h1', {}, 'Earnings')
  if (!state.wallet) return [heading, needsWallet(state, act, 'Your earnings belong to your wallet, and can only be paid to it.')]
  if (!state.worker) return [heading, h('div', { class: 'empty' }, h('strong', {}, 'Nothing earned yet'), h('p', {}, 'Register on the work page and answer a first task.'), h('div', { class: 'row' }, h('a', { class: 'button main', href: '#/work' }, 'To work')))]
  if (!balance) return [heading, h('p', { class: 'loading' }, 'Loading…')]
  const claimable = BigInt(balance.claimable)
  return [
    heading,
    h('dl', { class: 'figures', id: 'money' },
      figure('Claimable now', money(balance.claimable)), figure('Pending', money(balance.pending)), figure('Paid to your wallet', money(balance.claimed)), figure('Earned in all', money(balance.cumulative))),
    h('div', { class: 'row' },
      h('button', { class: 'main', id: 'claim', disabled: !!state.busy || claimable === 0n, onclick: () => claim(state, act) }, claimable ? `Claim ${money(claimable)}` : 'Nothing to claim'),
      state.data.claimed && claimable > 0n && h('span', { class: 'muted', id: 'claiming' }, 'The relayer is sending your claim…')),
    h('p', { class: 'muted small' }, 'Pending money waits for its challenge window. A relayer pays for the transaction of a claim; the money can only go to your wallet.'),
    signInCard(state, act, 'Sign in to see your answers', 'Which tasks you answered is shown to you alone.'),
    history && answers(state, act, history),
    h('section', { class: 'card' }, h('h2', {}, 'Your record'), h('p', { class: 'muted' }, 'Worker ', h('span', { class: 'number' }, state.worker.worker), ' · ', h('span', { class: 'mono' }, short(state.worker.wallet)), '. Everything that final epochs say of you, with proofs that anyone can check without this server.'),
      h('button', { id: 'record', onclick: () => save(state) }, 'Download my record')),
  ]
}

const figure = (name, value) => h('div', {}, h('dt', {}, name), h('dd', {}, value))

const claim = (state, act) => act.run('Claiming', async () => {
  await worker.claim(state, state.data.balance, blockTime())
  state.data.claimed = true
})

function answers(state, act, history) {
  if (!history.length) return h('div', { class: 'empty', id: 'no-answers' }, h('strong', {}, 'No answers yet'), h('p', {}, 'Each answer that you send appears here, with what became of it.'))
  return h('section', { 'aria-labelledby': 'answers' }, h('div', { class: 'row apart' }, h('h2', { id: 'answers' }, 'Your answers'), h('button', { class: 'quiet', onclick: () => table(history) }, 'Download as CSV')),
    h('div', { class: 'scroll' }, h('table', {},
      h('thead', {}, h('tr', {}, ['Task', 'State', 'Earned', ''].map((name) => h('th', { scope: 'col', class: name === 'Earned' ? 'number' : null }, name || h('span', { class: 'hidden' }, 'Action'))))),
      h('tbody', {}, history.slice(0, 200).map((one) => row(state, act, one))))))
}

function row(state, act, one) {
  const { text, kind } = worker.STATES[one.state] ?? { text: one.state, kind: '' }
  return h('tr', {},
    h('td', {}, `Job ${one.job}, task ${one.task + 1}`, one.epoch ? h('div', { class: 'small' }, h('a', { href: `#/audit/verdicts/${one.job}/${one.task}` }, `verdict in epoch ${one.epoch}`)) : null),
    h('td', {}, h('span', { class: `tag ${kind}` }, text), one.reason && h('div', { class: 'small muted' }, one.reason)),
    h('td', { class: 'number' }, one.earned === undefined || one.earned === null ? '' : money(one.earned)),
    h('td', { class: 'number' }, worker.isContestable(state, one) && h('button', { class: 'quiet', disabled: !!state.busy, onclick: () => act.run('Contesting', () => worker.contest(state, one)) }, 'Contest')))
}

function table(history) {
  const rows = history.map((one) => [one.job, one.task, one.state, one.earned ?? '', one.epoch ?? '', one.reason ?? ''])
  download('answers.csv', 'text/csv', csv(['job', 'task', 'state', 'earned', 'epoch', 'reason'], rows))
}

function save(state) {
  const { deployment, worker: record, data } = state
  const document = { deployment: { chainId: deployment.chain_id, market: deployment.market }, worker: record, balance: data.balance, answers: data.history }
  download('crowdproof-record.json', 'application/json', JSON.stringify(document, null, 1))
}
