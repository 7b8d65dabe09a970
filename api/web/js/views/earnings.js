/** What a worker earned: pending, claimable, paid; each answer with what became of it; a record to take along. */

import { get } from '../api.js'
import { blockTime } from '../app.js'
import { h } from '../dom.js'
import { csv, download, duration, money, short } from '../format.js'
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
      h('button', { id: 'record', onclick: () => act.run('Fetching your record', () => save(state)) }, 'Download my record')),
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
    h('div', { class: 'scroll', tabindex: 0, role: 'group', 'aria-label': 'Table' }, h('table', {},
      h('thead', {}, h('tr', {}, ['Task', 'State', 'Earned', ''].map((name) => h('th', { scope: 'col', class: name === 'Earned' ? 'number' : null }, name || h('span', { class: 'hidden' }, 'Proof'))))),
      h('tbody', {}, history.slice(0, 200).map((one) => row(state, act, one))))))
}

function row(state, act, one) {
  const { text, kind } = worker.STATES[one.state] ?? { text: one.state, kind: '' }
  const until = worker.contestable(one, blockTime())
  return h('tr', {},
    h('td', {}, one.id, h('div', { class: 'small muted' }, `job ${one.job}, task ${one.task + 1}`)),
    h('td', {}, h('span', { class: `tag ${kind}` }, text),
      one.label !== null && one.label !== undefined && h('div', { class: 'small muted' }, one.agreed ? `you said ${one.label}, as the verdict` : `you said ${one.label}, the verdict is ${one.verdict}`),
      one.why && h('div', { class: 'small' }, one.why), until > 0 && contesting(state, act, one, until)),
    h('td', { class: 'number' }, one.paid === null || one.paid === undefined ? '' : money(one.paid)),
    h('td', {}, one.epoch && h('a', { href: `#/audit/verdicts/${one.job}/${one.task}`, 'aria-label': `Check the verdict on ${one.id}` }, 'Check')))
}

/** Contest while the epoch is pending: what it costs comes back to who is right. */
function contesting(state, act, one, until) {
  const name = `${one.job}.${one.task}`
  if (state.draft.contest !== name) return h('button', { class: 'quiet', onclick: () => act.draft({ contest: name, words: '' }) }, `Contest (${duration(until - blockTime())} left)`)
  return h('div', { class: 'field' }, h('label', { for: 'words' }, 'Why it counts'), h('textarea', { id: 'words', maxlength: 10_000, value: state.draft.words, oninput: (event) => act.draft({ words: event.target.value }) }),
    h('p', { class: 'hint' }, 'Jurors read this. Your wallet pays a deposit, which comes back if you are right.'),
    h('button', { class: 'main', disabled: !!state.busy || !state.draft.words, onclick: () => act.run('Contesting', async () => { await worker.contest(state, one, state.draft.words); act.draft({ contest: '' }); return 'Your contest is filed.' }) }, 'File the contest'))
}

function table(history) {
  const names = ['job', 'task', 'id', 'state', 'label', 'verdict', 'paid', 'epoch', 'why']
  download('answers.csv', 'text/csv', csv(names, history.map((one) => names.map((name) => one[name]))))
}

async function save(state) {
  const record = await get(`/workers/${state.worker.worker}/record`)
  download('crowdproof-record.json', 'application/json', JSON.stringify({ record, balance: state.data.balance }, null, 1))
}
