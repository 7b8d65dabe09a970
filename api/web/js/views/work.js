/** A worker's start: how to begin, what is assigned, and every open job with its pay. */

import { get } from '../api.js'
import { blockTime } from '../app.js'
import { h } from '../dom.js'
import { count, duration, money } from '../format.js'
import { TYPES, specOf } from '../types.js'
import * as worker from '../worker.js'
import { needsWallet } from './frame.js'
import { signInCard } from './session.js'

const SHOWN = 50

export default { title: () => 'Work', load, view, ticks: true }

async function load(state, act) {
  state.now = await act.now()
  const jobs = await get('/work', { limit: 200 })
  const manifests = Object.fromEntries(await Promise.all(jobs.slice(0, SHOWN).map(async (job) => [job.job, await worker.manifestOf(job.job).catch(() => null)])))
  const mine = state.worker && (await act.private()) ? await worker.assignments(state) : null
  return { jobs, manifests, mine }
}

function view(state, act) {
  if (!state.wallet) {
    return [heading(), needsWallet(state, act, 'Your wallet is where the pay goes. You can look at the open jobs without one.'), openJobs(state)]
  }
  return [heading(), beginning(state, act), assigned(state), openJobs(state)]
}

const heading = () => [h('h1', {}, 'Work'), h('p', { class: 'lead' }, 'Tasks are offered to you while a job is open. The pay is in escrow before you begin.')]

/** What still stands between the wallet and work, one step at a time. */
function beginning(state, act) {
  const { worker: record } = state
  if (!record && !state.data.asked) {
    return card('Register once', 'Your wallet signs twice: to make the key that signs your answers in this browser, and to register. A relayer pays for the transaction.',
      h('button', { class: 'main', id: 'register', disabled: !!state.busy, onclick: () => register(state, act) }, 'Register'))
  }
  if (!record) return card('You are being registered', 'The relayer sends registrations together; this takes a few seconds.')
  if (worker.keyNumber(state) < 0) {
    return card('This browser does not have your answer key', 'Sign once to make it again. It is the same key in every browser.',
      h('button', { class: 'main', id: 'make-key', disabled: !!state.busy, onclick: () => act.run('Making your answer key', () => worker.makeKey(state)) }, 'Make my answer key'))
  }
  return signInCard(state, act, 'Sign in to see your tasks', 'It proves that the wallet is yours. It costs nothing and sends no transaction.')
}

const card = (title, text, button) => h('section', { class: 'card', id: 'beginning' }, h('h2', {}, title), h('p', { class: 'muted' }, text), button)

const register = (state, act) => act.run('Registering', async () => {
  await worker.register(state, blockTime())
  state.data.asked = true
})

function assigned(state) {
  const open = (state.data.mine ?? []).filter((offer) => worker.isOpen(state, offer))
  if (!state.worker || !state.data.mine) return null
  if (!open.length) {
    return h('section', {}, h('h2', {}, 'Your tasks'),
      h('div', { class: 'empty', id: 'no-tasks' }, h('strong', {}, 'No task is waiting for you'),
        h('p', {}, (state.data.jobs ?? []).length ? 'New ones are offered as others answer. This page looks again by itself.' : 'No job is open right now. This page looks again by itself.')))
  }
  const jobs = Map.groupBy(open, (offer) => offer.job)
  return h('section', { 'aria-labelledby': 'yours' }, h('h2', { id: 'yours' }, 'Your tasks'),
    [...jobs].map(([job, offers]) => {
      const title = state.data.manifests?.[job]?.title ?? `Job ${job}`
      const first = offers[0]
      return h('div', { class: 'card row apart' },
        h('div', {}, h('h3', {}, title),
          h('span', { class: 'muted small' }, `${count(offers.length, 'task')} · first ends in ${duration(Math.min(...offers.map((o) => o.expiry)) - blockTime())}`)),
        h('a', { class: 'button main', href: `#/work/${job}/${first.task}` }, 'Start'))
    }))
}

function openJobs(state) {
  const jobs = state.data.jobs
  if (!jobs) return h('p', { class: 'loading' }, 'Looking for open jobs…')
  if (!jobs.length) {
    return h('section', {}, h('h2', {}, 'Open jobs'), h('div', { class: 'empty', id: 'no-jobs' }, h('strong', {}, 'No job is open'), h('p', {}, 'Come back later: nothing is lost while you are away.')))
  }
  return h('section', { 'aria-labelledby': 'open-jobs' }, h('h2', { id: 'open-jobs' }, 'Open jobs'),
    h('div', { class: 'scroll', tabindex: 0, role: 'group', 'aria-label': 'Table' }, h('table', {},
      h('thead', {}, h('tr', {}, h('th', { scope: 'col' }, 'Job'), h('th', { scope: 'col', class: 'number' }, 'Pay an answer'), h('th', { scope: 'col', class: 'number wide' }, 'About an hour'), h('th', { scope: 'col', class: 'wide' }, 'Ends in'))),
      h('tbody', {}, jobs.slice(0, SHOWN).map((job) => row(state, job))))),
    jobs.length > SHOWN && h('p', { class: 'muted small' }, `${jobs.length - SHOWN} more are not shown.`))
}

function row(state, job) {
  const manifest = state.data.manifests?.[job.job]
  const pay = BigInt(job.base) + BigInt(job.bonus)
  return h('tr', {},
    h('td', {}, h('a', { href: `#/work/${job.job}` }, job.title), h('br', {}), h('span', { class: 'muted small' }, job.admitted === false ? 'not open to you' : manifest ? TYPES[specOf(manifest).type] : '')),
    h('td', { class: 'number' }, money(job.base), BigInt(job.bonus) > 0n && h('span', { class: 'muted small' }, h('br', {}), `+ ${money(job.bonus)} bonus`)),
    h('td', { class: 'number wide' }, manifest ? money((pay * 3600n) / BigInt(worker.estimate(manifest))) : ''),
    h('td', { class: 'wide' }, duration(job.deadline - blockTime())))
}
