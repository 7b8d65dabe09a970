/** A requester's jobs, or everybody's. */

import { get } from '../api.js'
import { blockTime } from '../app.js'
import { h } from '../dom.js'
import { duration, money, short } from '../format.js'
import { manifestOf } from '../worker.js'

const SHOWN = 50

export default { title: () => 'Jobs', load, view, every: 4_000 }

async function load(state, act) {
  state.now = await act.now()
  const jobs = (await get('/jobs', { limit: 1000 })).toReversed()
  const manifests = { ...state.data.manifests }
  for (const job of jobs.slice(0, SHOWN)) manifests[job.job] ??= await manifestOf(job.job).catch(() => null)
  return { jobs, manifests }
}

function view(state) {
  const { jobs } = state.data
  const me = state.wallet?.address.toLowerCase()
  const mine = (jobs ?? []).filter((job) => job.requester.toLowerCase() === me)
  const others = (jobs ?? []).filter((job) => job.requester.toLowerCase() !== me)
  return [
    h('div', { class: 'row apart' }, h('h1', {}, 'Jobs'), h('a', { class: 'button main', id: 'new-job', href: '#/jobs/new' }, 'New job')),
    h('p', { class: 'lead' }, 'Describe the work, escrow its price, follow it to its verdicts. What nobody earns comes back to you.'),
    !jobs ? h('p', { class: 'loading' }, 'Loading…') : [
      me && h('section', { 'aria-labelledby': 'mine' }, h('h2', { id: 'mine' }, 'Yours'), mine.length ? table(state, mine) : h('div', { class: 'empty', id: 'none-mine' }, h('strong', {}, 'You have no job yet'), h('p', {}, 'The first takes a few minutes. Nothing is spent before you see its exact price.'))),
      h('section', { 'aria-labelledby': 'others' }, h('h2', { id: 'others' }, me ? 'Of others' : 'All'), others.length ? table(state, others) : h('div', { class: 'empty' }, h('strong', {}, 'No job here'), h('p', {}, me ? 'Nobody else has opened one.' : 'Nobody has opened one yet.')))],
  ]
}

function table(state, jobs) {
  return [h('div', { class: 'scroll', tabindex: 0, role: 'group', 'aria-label': 'Table' }, h('table', {},
    h('thead', {}, h('tr', {}, h('th', { scope: 'col' }, 'Job'), h('th', { scope: 'col', class: 'number' }, 'Tasks'), h('th', { scope: 'col', class: 'number wide' }, 'Escrow'), h('th', { scope: 'col' }, 'State'), h('th', { scope: 'col', class: 'wide' }, 'Requester'))),
    h('tbody', {}, jobs.slice(0, SHOWN).map((job) => h('tr', {},
      h('td', {}, h('a', { href: `#/jobs/${job.job}` }, state.data.manifests?.[job.job]?.title ?? `Job ${job.job}`)),
      h('td', { class: 'number' }, Number(job.tasks).toLocaleString('en')), h('td', { class: 'number wide' }, money(job.escrow)),
      h('td', {}, phase(job)), h('td', { class: 'mono wide' }, short(job.requester))))))),
    jobs.length > SHOWN && h('p', { class: 'muted small' }, `${jobs.length - SHOWN} older ones are not shown.`)]
}

function phase(job) {
  const left = job.deadline - blockTime()
  if (left > 0) return h('span', { class: 'tag on' }, `open, ${duration(left)} left`)
  return BigInt(job.refunded) > 0n ? h('span', { class: 'tag' }, 'closed, rest returned') : h('span', { class: 'tag' }, 'closed')
}
