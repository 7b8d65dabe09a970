/** A job under way: progress, agreement, confidence, quality by worker; stop, top up, take back; results to take along. */

import { get, post } from '../api.js'
import { blockTime } from '../app.js'
import { bar, columns } from '../charts.js'
import { h } from '../dom.js'
import { amount, duration, money, percent, short } from '../format.js'
import * as requester from '../requester.js'
import { specOf, wording } from '../types.js'
import { manifestOf } from '../worker.js'
import { figure } from './home.js'
import { signInCard } from './session.js'

const STEP = 50
const EXPORTS = [['jsonl', 'JSONL'], ['csv', 'CSV'], ['parquet', 'Parquet'], ['car', 'CAR with proofs'], ['croissant', 'Croissant']]

export default { title: (state) => state.data.manifest?.title ?? `Job ${state.route.params.job}`, load, view, ticks: true, every: 3_000 }

async function load(state, act) {
  const number = state.route.params.job
  state.now = await act.now()
  const limit = state.draft.shown ?? STEP
  const [job, manifest, progress, verdicts] = await Promise.all([get(`/jobs/${number}`), manifestOf(number), get(`/jobs/${number}/progress`), get(`/jobs/${number}/verdicts`, { limit })])
  const own = state.session && job.requester.toLowerCase() === state.wallet?.address.toLowerCase()
  const statistics = own ? await get(`/jobs/${number}/statistics`) : requester.publicly(verdicts, progress)
  return { job, manifest, progress, statistics, verdicts }
}

export const isMine = (state) => !!state.wallet && state.data.job?.requester.toLowerCase() === state.wallet.address.toLowerCase()

function view(state, act) {
  const { job, manifest, progress } = state.data
  if (!progress) return h('p', { class: 'loading' }, 'Loading…')
  return [
    h('p', {}, h('a', { href: '#/jobs' }, 'Jobs')),
    h('h1', {}, manifest.title, ' ', h('span', { class: `tag ${progress.phase === 'open' ? 'on' : ''}`, id: 'phase' }, progress.paused && progress.phase === 'open' ? 'paused' : PHASES[progress.phase] ?? progress.phase)),
    h('p', { class: 'lead' }, progress.phase === 'open' ? `Open for ${duration(job.deadline - blockTime())}` : `${Number(job.tasks).toLocaleString('en')} tasks, ${job.answers} answers each`),
    h('section', { class: 'card stack', 'aria-label': 'Progress' }, bar('Answers', progress.answered, progress.wanted), bar('Verdicts', progress.decided, progress.tasks), bar('Final', progress.final, progress.tasks)),
    h('dl', { class: 'figures' }, figure('Escrow', money(progress.escrow)), figure('Earned', money(progress.debited)), figure('Still locked', money(progress.locked)), figure('Taken back', money(progress.refunded))),
    isMine(state) && [signInCard(state, act, 'Sign in to manage this job', 'It is yours. Signing in costs nothing.'), state.session && controls(state, act)],
    charts(state),
    results(state, act),
  ]
}

const PHASES = { waiting: 'waiting', open: 'open', deciding: 'being decided', hatch: 'closing', over: 'over' }

function controls(state, act) {
  const { job, progress } = state.data
  const number = job.job
  const open = job.deadline > blockTime()
  const stop = () => act.run('Closing the job', async () => {
    await requester.act(state, 'close', { job: number })
    return 'The job is closed: no new answers. What is unused can be taken back after the last windows.'
  })
  const more = () => act.run('Topping up', async () => {
    const units = amount(state.draft.more)
    if (units === null || units === 0n) throw new RangeError('Say how much, such as 1.50.')
    await requester.act(state, 'top-up', { job: number, amount: Number(units) })
    act.draft({ more: '' })
    return 'The escrow has grown.'
  })
  const back = () => act.run('Taking back what is unused', async () => {
    await requester.act(state, 'refund', { job: number })
    return 'What nobody earned is back in your wallet.'
  })
  const hold = () => act.run(progress.paused ? 'Offering again' : 'Pausing', async () => {
    await post(`/jobs/${number}/${progress.paused ? 'resume' : 'pause'}`)
    return progress.paused ? 'The tasks are offered again.' : 'Nothing more is offered for now. What is offered already may be answered; the deadline stays.'
  })
  const refundable = blockTime() >= progress.refundsFrom
  return h('section', { class: 'card', id: 'controls', 'aria-labelledby': 'controls-title' }, h('h2', { id: 'controls-title' }, 'Manage'),
    h('div', { class: 'row' },
      open && [h('label', { for: 'more', class: 'hidden' }, 'How much to add'), h('div', {}, h('input', { id: 'more', placeholder: 'How much, e.g. 1.50', inputmode: 'decimal', value: state.draft.more ?? '', oninput: (event) => act.draft({ more: event.target.value }) })),
        h('button', { id: 'top-up', disabled: !!state.busy, onclick: more }, 'Top up'),
        h('button', { id: 'pause', disabled: !!state.busy, onclick: hold }, progress.paused ? 'Resume' : 'Pause'),
        state.draft.sure ? h('button', { class: 'danger', id: 'close-now', disabled: !!state.busy, onclick: stop }, 'Yes, close it now') : h('button', { class: 'danger', id: 'close', onclick: () => act.draft({ sure: true }) }, 'Close early')],
      !open && h('button', { id: 'refund', disabled: !!state.busy || !refundable || BigInt(progress.locked) === 0n, onclick: back }, BigInt(progress.locked) === 0n ? 'Nothing to take back' : `Take back ${money(progress.locked)}`),
      !open && !refundable && h('span', { class: 'muted small' }, `from ${duration(progress.refundsFrom - blockTime())} on`),
      h('a', { class: 'button', id: 'review', href: `#/jobs/${number}/review` }, 'Review unsure verdicts')),
    state.draft.sure && open && h('p', { class: 'small muted' }, 'Answers that are in are still decided and paid. It cannot be opened again.'))
}

function charts(state) {
  const { statistics } = state.data
  if (!statistics?.decided) return h('div', { class: 'empty', id: 'no-verdicts' }, h('strong', {}, 'No verdict yet'), h('p', {}, 'The first comes when a task has all its answers.'))
  const tenths = statistics.confidence.map((value, at) => [`${at * 10}`, value, at < 7])
  const labels = Object.entries(statistics.labels).sort((a, b) => b[1] - a[1]).slice(0, 8).map(([label, value]) => [label.slice(0, 12), value])
  return h('div', { class: 'grid' },
    h('section', { class: 'card' }, h('h2', {}, 'Confidence'), columns('Confidence of the verdicts', tenths, 'Verdicts by per cent'), h('p', { class: 'small muted' }, `Mean ${percent(statistics.meanConfidence ?? 0)}. Amber: worth a look.`)),
    h('section', { class: 'card' }, h('h2', {}, 'Agreement'), columns('Verdicts by label', labels, 'Verdicts'), h('p', { class: 'small muted' }, statistics.agreement === undefined ? 'How much workers agree is shown to the requester, signed in.' : statistics.agreement === null ? 'Agreement needs two answers to a task.' : `Krippendorff’s alpha ${statistics.agreement.toFixed(2)}: 1 is full agreement, 0 is chance.`)),
    statistics.workers && h('section', { class: 'card' }, h('h2', {}, 'Workers'), h('div', { class: 'scroll', tabindex: 0, role: 'group', 'aria-label': 'Table' }, h('table', {},
      h('thead', {}, h('tr', {}, h('th', { scope: 'col' }, 'Worker'), h('th', { scope: 'col', class: 'number' }, 'Answers'), h('th', { scope: 'col', class: 'number' }, 'Agreed'))),
      h('tbody', {}, statistics.workers.slice(0, 10).map((one) => h('tr', {}, h('td', {}, `Worker ${one.worker}`), h('td', { class: 'number' }, one.counted), h('td', { class: 'number' }, one.agreement === null ? '' : percent(one.agreement)))))))))
}

function results(state, act) {
  const { job, manifest, verdicts, progress } = state.data
  const spec = specOf(manifest)
  const shown = state.draft.shown ?? STEP
  return h('section', { 'aria-labelledby': 'results' }, h('div', { class: 'row apart' }, h('h2', { id: 'results' }, 'Results'),
    h('div', { class: 'row', id: 'exports' }, EXPORTS.map(([format, name]) => h('a', { href: `/jobs/${job.job}/export?format=${format}`, download: '' }, name)))),
    verdicts.length > 0 && verdictTable(spec, verdicts),
    progress.decided > shown && h('button', { onclick: () => { state.draft.shown = shown + STEP; act.refresh() } }, 'Show more'),
    h('p', { class: 'small muted' }, 'Manifest ', h('a', { class: 'mono', href: `/ipfs/${job.manifest}` }, short(job.manifest)), ' · terms ', h('span', { class: 'mono' }, short(job.terms))))
}

export function verdictTable(spec, verdicts) {
  return h('div', { class: 'scroll', tabindex: 0, role: 'group', 'aria-label': 'Table' }, h('table', {},
    h('thead', {}, h('tr', {}, h('th', { scope: 'col' }, 'Task'), h('th', { scope: 'col' }, 'Verdict'), h('th', { scope: 'col', class: 'number' }, 'Confidence'), h('th', { scope: 'col' }, 'State'), h('th', { scope: 'col' }, h('span', { class: 'hidden' }, 'Proof')))),
    h('tbody', {}, verdicts.map((one) => h('tr', {},
      h('td', {}, one.id), h('td', {}, wording(spec, one.label)), h('td', { class: 'number' }, percent(one.confidence)),
      h('td', {}, h('span', { class: `tag ${one.status === 'final' ? 'good' : 'warn'}` }, one.status)), h('td', {}, h('a', { href: `#/audit/verdicts/${one.job}/${one.task}`, 'aria-label': `Check the verdict on ${one.id}` }, 'Check')))))))
}
