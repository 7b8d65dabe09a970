/** The queue of unsure verdicts: the least sure first, each with its task. */

import { get } from '../api.js'
import { h } from '../dom.js'
import { percent } from '../format.js'
import { prepared, taskView } from '../task.js'
import { specOf, wording } from '../types.js'
import { manifestOf } from '../worker.js'
import { needsWallet } from './frame.js'
import { signInCard } from './session.js'

const SURE = 0.9
const SHOWN = 10
const WHOSE = 'The queue is for the requester of the job.'

export default { title: () => 'Review', load, view, every: 10_000 }

async function load(state) {
  const { job } = state.route.params
  if (!state.session) return { manifest: await manifestOf(job) }
  const [manifest, unsure, progress] = await Promise.all([manifestOf(job), get(`/jobs/${job}/review`, { below: SURE, limit: 1000 }), get(`/jobs/${job}/progress`)])
  const payloads = { ...state.data.payloads }
  for (const one of unsure.slice(0, SHOWN)) payloads[one.task] ??= await prepared((await get(`/jobs/${job}/tasks`, { from: one.task, limit: 1 }))[0]?.payload)
  return { manifest, unsure, payloads, all: progress.decided }
}

function view(state, act) {
  const { job } = state.route.params
  const { manifest, unsure, payloads, all } = state.data
  if (!state.session) return state.wallet ? signInCard(state, act, 'Sign in to review', WHOSE) : needsWallet(state, act, WHOSE)
  if (!unsure) return h('p', { class: 'loading' }, 'Loading…')
  const spec = specOf(manifest)
  return [
    h('p', {}, h('a', { href: `#/jobs/${job}` }, manifest.title)),
    h('h1', {}, 'Unsure verdicts'),
    h('p', { class: 'lead' }, `${unsure.length} of ${all} verdicts have a confidence below ${percent(SURE)}. The least sure come first.`),
    unsure.length ? unsure.slice(0, SHOWN).map((one) => h('section', { class: 'card stack' },
      h('div', { class: 'row apart' }, h('h2', {}, `${one.id}: ${wording(spec, one.label)}`), h('span', { class: 'tag warn' }, percent(one.confidence))),
      payloads[one.task]?.sealed ? h('p', { class: 'muted' }, 'Its content is sealed.') : taskView(payloads[one.task]),
      h('a', { href: `#/audit/verdicts/${job}/${one.task}` }, 'See who said what')))
      : h('div', { class: 'empty', id: 'all-sure' }, h('strong', {}, 'Nothing to review'), h('p', {}, all ? 'The crowd is sure of every verdict so far.' : 'There is no verdict yet.')),
  ]
}
