/** A job as a worker judges it before taking part: what is asked, what it pays, who asks, and a practice. */

import { get } from '../api.js'
import { blockTime } from '../app.js'
import { h } from '../dom.js'
import { count, duration, money, percent, short } from '../format.js'
import { TYPES, specOf } from '../types.js'
import { estimate, manifestOf } from '../worker.js'

export default { title: (state) => state.data.manifest?.title ?? 'Job', load, view, ticks: true }

async function load(state, act) {
  const { job: number } = state.route.params
  state.now = await act.now()
  const [job, manifest, all] = await Promise.all([get(`/jobs/${number}`), manifestOf(number), get('/work', { limit: 1000 })])
  return { job, manifest, offer: all.find((one) => one.job === number) ?? null }
}

function view({ data }) {
  const { job, manifest, offer } = data
  if (!job) return h('p', { class: 'loading' }, 'Loading…')
  const left = job.deadline - blockTime()
  return [
    h('h1', {}, manifest.title),
    h('p', { class: 'lead' }, left > 0 ? `Open for ${duration(left)}` : 'This job is closed'),
    h('dl', { class: 'figures' },
      figure('Pay an answer', money(job.base)), BigInt(job.bonus) > 0n && figure('Bonus if it agrees with the verdict', money(job.bonus)),
      figure('Time a task, about', duration(estimate(manifest))), figure('Tasks', Number(job.tasks).toLocaleString('en'))),
    h('div', { class: 'split' },
      h('section', { class: 'card' }, h('h2', {}, 'Instructions'), h('p', { class: 'prose' }, manifest.instructions),
        h('a', { class: 'button main', id: 'practice', href: `#/work/${job.job}/practice` }, 'Practise first')),
      h('section', { class: 'card' }, h('h2', {}, 'What to know'),
        h('dl', { class: 'facts small' },
          h('dt', {}, 'Answer'), h('dd', {}, TYPES[specOf(manifest).type]),
          h('dt', {}, 'Requester'), h('dd', { class: 'mono' }, short(job.requester)),
          offer && [h('dt', {}, 'Their record'), h('dd', {}, `${count(offer.requesterJobs, 'job')}, ${money(offer.requesterPaid)} paid to workers`)],
          h('dt', {}, 'Answers a task'), h('dd', {}, job.answers),
          h('dt', {}, 'Time to answer'), h('dd', {}, duration(manifest.assignmentSeconds)),
          h('dt', {}, 'Known answers'), h('dd', {}, manifest.goldShare ? `${percent(manifest.goldShare)} of the tasks check your care` : 'none'),
          h('dt', {}, 'Needed'), h('dd', {}, manifest.qualifications.length ? manifest.qualifications.join(', ') : 'nothing'),
          h('dt', {}, 'Open to'), h('dd', {}, manifest.allow.length ? `${count(manifest.allow.length, 'invited wallet')}` : 'everybody'),
          h('dt', {}, 'Escrow'), h('dd', {}, money(job.escrow), ' · ', h('a', { href: `/ipfs/${job.manifest}`, class: 'mono' }, 'manifest'))))),
  ]
}

const figure = (name, value) => h('div', {}, h('dt', {}, name), h('dd', {}, value))
