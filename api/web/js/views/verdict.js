/** One verdict, with the sum that makes it: prior, one row of weights an answer, the highest score. */

import { cidOfContent, openVerdict } from '../auditor.js'
import { h } from '../dom.js'
import { percent } from '../format.js'
import { STATUS, toPlain } from '../protocol/epoch.js'
import { prepared, taskView } from '../task.js'
import { specOf, wording } from '../types.js'
import { proof } from './frame.js'

const NAT = 65536

export default { title: () => 'Verdict', load, view, every: 15_000 }

async function load(state, act) {
  const { job, task } = state.route.params
  const found = await openVerdict(act.chain(), state.deployment, job, task)
  return { found, payload: found ? await prepared(found.task.payload) : null, manifest: found ? toPlain(found.manifest) : null }
}

function view(state) {
  const { found, payload, manifest } = state.data
  const { job, task } = state.route.params
  if (found === undefined) return h('p', { class: 'loading' }, 'Reading the chain and the content…')
  if (found === null) return h('div', { class: 'empty' }, h('strong', {}, 'No verdict yet'), h('p', {}, `Task ${task + 1} of job ${job} is still open, or was refunded.`), h('div', { class: 'row' }, h('a', { class: 'button', href: `#/jobs/${job}` }, 'To the job')))
  const spec = specOf(manifest)
  return [
    h('p', {}, h('a', { href: `#/audit/epochs/${found.post.epoch}` }, `Epoch ${found.post.epoch}`), ' · ', h('a', { href: `#/jobs/${job}` }, `Job ${job}`)),
    h('h1', {}, wording(spec, found.names[found.verdict.label] ?? 'No answer counted')),
    h('p', { class: 'lead' }, `The verdict on task ${task + 1}, with a confidence of ${percent(found.confidence)}`),
    h('div', { class: 'split' },
      h('section', { class: 'card' }, h('h2', {}, 'How it follows'), sum(found, spec)),
      h('div', {},
        h('section', { class: 'card' }, h('h2', {}, 'The task'), payload?.sealed ? h('p', { class: 'muted' }, 'Its content is for its workers and its requester only.') : taskView(payload)),
        h('section', { class: 'card' }, h('h2', {}, 'Its proof'),
          h('p', { class: `notice ${found.included ? 'good' : 'bad'}`, id: 'included' }, found.included ? `In the verdict tree that ${found.post.committee.quorum} or more members signed.` : 'It is NOT in the tree that was signed.'),
          h('dl', { class: 'facts small' }, h('dt', {}, 'Leaf'), h('dd', { class: 'mono' }, found.leaf), h('dt', {}, 'Place'), h('dd', {}, `${found.index}, ${found.path.length} steps to the root`), h('dt', {}, 'From'), h('dd', {}, proof(found.post.transaction, cidOfContent(found.post.content))))))),
  ]
}

function sum({ verdict, weights, scores, names }, spec) {
  const nats = (value) => (value / NAT).toFixed(2)
  const head = (text) => h('th', { scope: 'col', class: 'number' }, text)
  const shown = names.slice(0, 12)
  return h('div', { class: 'scroll', tabindex: 0, role: 'group', 'aria-label': 'Table' }, h('table', { id: 'sum' },
    h('caption', {}, 'Weights in nats; on chain they are integers, and the sum is exact.'),
    h('thead', {}, h('tr', {}, h('th', { scope: 'col' }, ''), shown.map((text) => head(wording(spec, text).slice(0, 40))))),
    h('tbody', {},
      h('tr', {}, h('th', { scope: 'row' }, 'Before any answer'), shown.map((_, c) => h('td', { class: 'number' }, nats(verdict.prior[c])))),
      verdict.cores.map((core) => h('tr', {},
        h('th', { scope: 'row' }, `Worker ${core.worker}`, h('br', {}), core.status === 0 ? `said “${wording(spec, names[core.label]).slice(0, 60)}”` : STATUS[core.status]),
        shown.map((_, c) => h('td', { class: 'number' }, core.status === 0 ? nats(weights[core.row].row[c]) : '')))),
      h('tr', {}, h('th', { scope: 'row' }, 'Score'), shown.map((_, c) => h('td', { class: 'number' }, c === verdict.label ? h('strong', {}, nats(scores[c])) : nats(scores[c]))))))) 
}
