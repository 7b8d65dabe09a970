/** A practice: tasks of the job's kind, answered without a wallet. Nothing is sent and nothing counts. */

import { get } from '../api.js'
import { h } from '../dom.js'
import { prepared, shownBy, taskView } from '../task.js'
import { answerOf, blank, specOf, wording } from '../types.js'
import { keyed, widget } from '../widgets.js'
import { manifestOf } from '../worker.js'

export default { title: () => 'Practice', load, view, key, every: 60_000 }

async function load(state) {
  const { job } = state.route.params
  const manifest = await manifestOf(job)
  const found = state.data.tasks ?? (await get(`/jobs/${job}/tasks`, { limit: 5 }))
  return { manifest, tasks: found, payloads: state.data.payloads ?? (await Promise.all(found.map((task) => prepared(task.payload)))) }
}

function view(state, act) {
  const { manifest, tasks, payloads } = state.data
  if (!tasks) return h('p', { class: 'loading' }, 'Loading…')
  if (payloads.some((payload) => payload?.sealed)) return h('div', { class: 'empty', id: 'no-practice' }, h('strong', {}, 'There is no practice'), h('p', {}, 'The tasks of this job are shown to the workers to whom they are assigned, and to nobody else.'), h('div', { class: 'row' }, h('a', { class: 'button', href: `#/work/${state.route.params.job}` }, 'Back to the job')))
  const at = state.draft.at ?? 0
  const spec = specOf(manifest)
  if (at >= tasks.length) {
    return h('div', { class: 'empty', id: 'practised' }, h('strong', {}, 'That was the practice'), h('p', {}, 'Nothing was sent. Tasks are offered to you on the work page.'),
      h('div', { class: 'row' }, h('a', { class: 'button main', href: '#/work' }, 'To my work')))
  }
  const value = state.draft.value ?? blank(spec)
  const said = answerOf(spec, value)
  const change = (next) => act.draft({ value: next, checked: false })
  return [
    h('p', { class: 'muted' }, h('span', { class: 'tag on' }, 'Practice'), ` Task ${at + 1} of ${tasks.length}. Nothing is sent.`),
    h('h1', {}, manifest.title),
    h('div', { class: 'split' },
      h('section', { class: 'card stack' }, taskView(payloads[at], shownBy(spec.type)), widget(spec, value, payloads[at], change),
        state.draft.checked && h('p', { class: `notice ${said.why ? 'warn' : 'good'}`, id: 'feedback' }, said.why ?? `You would answer: ${wording(spec, said.text)}. Whether it is right, the crowd decides.`),
        h('div', { class: 'row end' },
          h('button', { id: 'check', onclick: () => act.draft({ checked: true }) }, 'Check'),
          h('button', { class: 'main', id: 'next', disabled: !state.draft.checked || !!said.why, onclick: () => act.set({ draft: { at: at + 1 } }) }, 'Next'))),
      h('section', { class: 'card' }, h('h2', {}, 'Instructions'), h('p', { class: 'prose' }, manifest.instructions))),
  ]
}

function key(event, state, act) {
  if (/^(INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName) && event.target.type !== 'radio' && event.target.type !== 'checkbox') return
  const value = state.data.manifest && keyed(specOf(state.data.manifest), state.draft.value, event)
  if (value !== undefined) act.draft({ value, checked: false })
}
