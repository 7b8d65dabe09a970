/** One task: its payload, the field for its answer, the time that is left; sealed, signed and receipted when it is sent. */

import { get } from '../api.js'
import { blockTime } from '../app.js'
import { h } from '../dom.js'
import { count, duration, money } from '../format.js'
import { prepared, shownBy, taskView } from '../task.js'
import { answerOf, blank, isComplete, specOf } from '../types.js'
import { keyed, widget } from '../widgets.js'
import * as worker from '../worker.js'
import { needsWallet } from './frame.js'
import { signInCard } from './session.js'

export default { title: (state) => state.data.manifest?.title ?? 'Task', load, view, key, ticks: true, every: 5_000 }

async function load(state, act) {
  if (!state.worker || !(await act.private())) return null
  const { job: number, task } = state.route.params
  state.now = await act.now()
  const mine = await worker.assignments(state)
  const offer = mine.find((one) => one.job === number && one.task === task) ?? null
  if (!offer || !worker.isOpen(state, offer)) return { mine, offer, manifest: await worker.manifestOf(number) }
  if (state.data.payload !== undefined) return { mine, offer }
  const [job, manifest, found] = await Promise.all([get(`/jobs/${number}`), worker.manifestOf(number), worker.taskOf(number, task)])
  return { mine, offer, job, manifest, payload: (await prepared(found.payload)) ?? null }
}

function view(state, act) {
  const { data } = state
  if (!state.wallet) return needsWallet(state, act, 'Tasks are shown to the worker to whom they are assigned.')
  if (!data.manifest) return signInCard(state, act, 'Sign in to see this task', 'Tasks are shown to the worker to whom they are assigned.') ?? h('p', { class: 'loading' }, 'Loading…')
  if (!data.offer) return over('This task is not yours', 'It was assigned to somebody else, or given back.')
  if (worker.isSent(state, data.offer)) return sent(state)
  const left = data.offer.expiry - blockTime()
  if (left <= 0) return over('The time for this task is over', 'It goes to another worker. Nothing was sent, and it does not count against you.')
  if (data.payload === undefined) return h('p', { class: 'loading' }, 'Loading…')
  return open(state, act, left)
}

function over(title, text) {
  return h('div', { class: 'empty', id: 'over' }, h('strong', {}, title), h('p', {}, text), h('div', { class: 'row' }, h('a', { class: 'button main', href: '#/work' }, 'To my work')))
}

function sent(state) {
  const next = following(state)
  const receipt = worker.kept(state, state.data.offer)?.receipt
  return h('div', { class: 'empty', id: 'sent' }, h('strong', {}, 'Your answer is in'),
    h('p', {}, receipt ? `${count(receipt.signatures.length, 'committee member')} signed that it is stored. It stays sealed until the task closes.` : 'It was sent from another browser or tab, and is stored.'),
    h('div', { class: 'row' }, next ? h('a', { class: 'button main', id: 'next-task', href: `#/work/${next.job}/${next.task}` }, 'Next task') : h('a', { class: 'button main', href: '#/work' }, 'To my work'), h('a', { class: 'button', href: '#/earnings' }, 'My earnings')))
}

function following(state) {
  const { job, task } = state.route.params
  const open = (state.data.mine ?? []).filter((one) => worker.isOpen(state, one) && (one.job !== job || one.task !== task))
  return open.find((one) => one.job === job && one.task > task) ?? open.find((one) => one.job === job) ?? open[0]
}

const valueOf = (state) => state.draft.value ?? worker.draftOf(state, state.route.params.job, state.route.params.task) ?? blank(specOf(state.data.manifest))

function change(state, act, value) {
  worker.keepDraft(state, state.route.params.job, state.route.params.task, value)
  act.draft({ value, why: '' })
}

function open(state, act, left) {
  const { manifest, job, payload } = state.data
  const spec = specOf(manifest)
  const value = valueOf(state)
  const next = following(state)
  return [
    h('div', { class: 'row apart' }, h('span', { class: 'muted' }, `Task ${state.route.params.task + 1} of ${Number(job.tasks).toLocaleString('en')} · pays ${money(job.base)}`),
      h('span', { class: `tag timer ${left < 60 ? 'warn' : ''}`, id: 'timer' }, `${duration(left)} left`)),
    h('h1', {}, manifest.title),
    h('div', { class: 'split' },
      h('section', { class: 'card stack', 'aria-label': 'Task' }, taskView(payload, shownBy(spec.type)), widget(spec, value, payload, (next) => change(state, act, next)),
        state.draft.why && h('p', { class: 'notice warn', id: 'why' }, state.draft.why),
        h('div', { class: 'row apart' },
          h('div', { class: 'row' },
            h('button', { class: 'quiet', id: 'give-back', disabled: !!state.busy, onclick: () => giveBack(state, act) }, 'Give back'),
            next && h('a', { class: 'button', id: 'skip', href: `#/work/${next.job}/${next.task}` }, 'Skip')),
          h('button', { class: 'main', id: 'send', disabled: !!state.busy || !isComplete(spec, value), onclick: () => send(state, act) }, 'Send answer', h('kbd', { class: 'wide', 'aria-hidden': 'true' }, '⏎'))),
        h('p', { class: 'muted small' }, 'Your draft is kept in this browser. Giving a task back or skipping it costs you nothing.')),
      h('section', { class: 'card' }, h('details', { open: true }, h('summary', {}, 'Instructions'), h('p', { class: 'prose' }, manifest.instructions)))),
  ]
}

function send(state, act) {
  const spec = specOf(state.data.manifest)
  const { payload, why } = answerOf(spec, valueOf(state))
  if (why) return act.draft({ why })
  return act.run('Sealing and sending your answer', async () => {
    await worker.answer(state, state.data.offer, payload)
    worker.keepDraft(state, state.route.params.job, state.route.params.task, null)
  })
}

function giveBack(state, act) {
  return act.run('Giving the task back', async () => {
    await worker.giveBack(state, state.data.offer)
    state.keep = true
    act.go('#/work')
    return 'The task was given back. It does not count against you.'
  })
}

function key(event, state, act) {
  if (!state.data.manifest || state.data.payload === undefined || state.busy || event.target.closest?.('dialog')) return
  const field = /^(INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName) && !/^(radio|checkbox)$/.test(event.target.type)
  const spec = specOf(state.data.manifest)
  const submits = event.key === 'Enter' && (event.ctrlKey || event.metaKey || !(field || /^(BUTTON|A|SUMMARY)$/.test(event.target.tagName)))
  if (submits && isComplete(spec, valueOf(state))) {
    event.preventDefault()
    send(state, act)
  } else if (!field) {
    const value = keyed(spec, valueOf(state), event)
    if (value !== undefined) change(state, act, value)
  }
}
