/** How the deployment is: the committee and its stakes, the pending epoch and its window, how far the server lags behind the chain. */

import { get } from '../api.js'
import { look } from '../auditor.js'
import { blockTime } from '../app.js'
import { h } from '../dom.js'
import { duration, short } from '../format.js'
import { figure } from './home.js'

export default { title: () => 'Health', load, view, ticks: true, every: 4_000 }

async function load(state, act) {
  const chain = act.chain()
  state.now = await act.now()
  const [ready, { history, newest }, pending, members, quorum, unit] = await Promise.all([
    readiness(), look(chain, state.deployment), chain.market('pending'), chain.committee('members'), chain.committee('quorum'), chain.committee('unit')])
  const stakes = await Promise.all(members.map((member) => chain.committee('stakeOf', member)))
  return { ready, history, newest, pending, members, quorum, unit, stakes }
}

async function readiness() {
  const response = await fetch('/ready')
  return response.json()
}

const coin = (wei) => `${(Number(wei / 10n ** 12n) / 1e6).toLocaleString('en')} coin`

function view(state) {
  const { ready, pending, history } = state.data
  if (!ready) return [h('h1', {}, 'Health'), h('p', { class: 'loading' }, 'Looking…')]
  const [epoch, postedAt] = pending
  const ends = Number(postedAt) + state.deployment.window
  return [
    h('h1', {}, 'Health'),
    h('div', { class: `notice ${ready.ready ? 'good' : 'warn'}`, id: 'ready' }, ready.ready ? 'Everything works.' : `Something is waited for: ${ready.waits.join('; ')}`),
    h('p', {}),
    h('dl', { class: 'figures' },
      figure('Newest block', state.data.newest.toLocaleString('en')), figure('Epochs', history.posts.length), figure('Struck', history.posts.filter((post) => post.status === 'struck').length),
      figure('Challenge window', duration(state.deployment.window)), figure('Workers', Math.max(0, history.workers.size - 1))),
    h('section', { class: 'card' }, h('h2', {}, 'Pending epoch'), epoch
      ? h('p', {}, h('a', { href: `#/audit/epochs/${epoch}` }, `Epoch ${epoch}`), ends > blockTime() ? ` can be challenged for ${duration(ends - blockTime())} more.` : ' is about to become final.')
      : h('p', { class: 'muted' }, 'None. The next is posted when tasks have all their answers.')),
    h('section', { 'aria-labelledby': 'committee' }, h('h2', { id: 'committee' }, `Committee: ${state.data.quorum} of ${state.data.members.length} must sign`),
      h('div', { class: 'scroll', tabindex: 0, role: 'group', 'aria-label': 'Table' }, h('table', {}, h('thead', {}, h('tr', {}, h('th', { scope: 'col' }, 'Member'), h('th', { scope: 'col', class: 'number' }, 'Stake'), h('th', { scope: 'col' }, 'May sign'))),
        h('tbody', {}, state.data.members.map((member, at) => h('tr', {}, h('td', { class: 'mono', title: member }, short(member)), h('td', { class: 'number' }, coin(state.data.stakes[at])), h('td', {}, state.data.stakes[at] >= state.data.unit ? h('span', { class: 'tag good' }, 'yes') : h('span', { class: 'tag bad' }, 'stake too low')))))))),
  ]
}
