/** The auditor's start: epochs, and every event of the contracts, decoded, each with its transaction. */

import { cidOfContent, look } from '../auditor.js'
import { h } from '../dom.js'
import { csv, download, money, short } from '../format.js'
import { proof } from './frame.js'

const STEP = 100
const KINDS = { '': 'Everything', Market: 'Money and epochs', Workers: 'Workers', Committee: 'Committee', Disputes: 'Contests', Referee: 'Refutations', Hatch: 'Hatch' }

export default { title: () => 'Audit', load, view, every: 4_000 }

async function load(state, act) {
  const { events, history, newest } = await look(act.chain(), state.deployment)
  return { events, history, newest }
}

function view(state, act) {
  const { events, history } = state.data
  return [
    h('h1', {}, 'Audit'),
    h('p', { class: 'lead' }, 'Read from the chain by your browser. Open an epoch to recompute every signature, verdict and payment in it.'),
    events ? [epochs(state, history), list(state, act)] : h('p', { class: 'loading' }, 'Reading the chain…'),
    endpoint(state, act),
  ]
}

function epochs({ deployment }, history) {
  if (!history.posts.length) return h('section', {}, h('h2', {}, 'Epochs'), h('div', { class: 'empty', id: 'no-epochs' }, h('strong', {}, 'No epoch yet'), h('p', {}, 'The first is posted when a task has all its answers.')))
  return h('section', { 'aria-labelledby': 'epochs' }, h('h2', { id: 'epochs' }, 'Epochs'),
    h('div', { class: 'scroll', tabindex: 0, role: 'group', 'aria-label': 'Table' }, h('table', {},
      h('thead', {}, h('tr', {}, [['Epoch'], ['State'], ['Signed by'], ['Total earned', 'number'], ['Where', 'wide']].map(([name, kind]) => h('th', { scope: 'col', class: kind }, name)))),
      h('tbody', {}, history.posts.toReversed().slice(0, STEP).map((post) => h('tr', {},
        h('td', { class: 'name' }, h('a', { href: `#/audit/epochs/${post.epoch}` }, `Epoch ${post.epoch}`)),
        h('td', {}, h('span', { class: `tag ${TAGS[post.status]}` }, post.status)),
        h('td', {}, `${[...post.signers.toString(2)].filter((bit) => bit === '1').length} of ${post.committee.members.length}`),
        h('td', { class: 'number' }, post.total === undefined ? '' : money(post.total * BigInt(deployment.unit))),
        h('td', { class: 'wide' }, proof(post.transaction, cidOfContent(post.content)))))))))
}

const TAGS = { pending: 'warn', final: 'good', struck: 'bad' }

function list(state, act) {
  const { kind = '', from = '', to = '', shown = STEP } = state.draft
  const found = state.data.events.filter((event) => (!kind || event.contract === kind) && event.block >= (Number(from) || 0) && event.block <= (to === '' ? Infinity : Number(to))).toReversed()
  return h('section', { 'aria-labelledby': 'events' }, h('h2', { id: 'events' }, 'Events'),
    h('div', { class: 'filters' },
      h('div', { class: 'field' }, h('label', { for: 'kind' }, 'Of'), h('select', { id: 'kind', value: kind, onchange: (event) => act.draft({ kind: event.target.value, shown: STEP }) }, Object.entries(KINDS).map(([value, text]) => h('option', { value }, text)))),
      h('div', { class: 'field' }, h('label', { for: 'from' }, 'From block'), h('input', { id: 'from', inputmode: 'numeric', value: from, oninput: (event) => act.draft({ from: event.target.value.replace(/\D/g, '') }) })),
      h('div', { class: 'field' }, h('label', { for: 'to' }, 'To block'), h('input', { id: 'to', inputmode: 'numeric', value: to, oninput: (event) => act.draft({ to: event.target.value.replace(/\D/g, '') }) })),
      h('button', { id: 'csv', disabled: !found.length, onclick: () => save(found) }, 'Download as CSV')),
    found.length ? h('div', { class: 'scroll', tabindex: 0, role: 'group', 'aria-label': 'Table' }, h('table', { id: 'event-table' },
      h('caption', {}, `${found.length.toLocaleString('en')} events, newest first`),
      h('thead', {}, h('tr', {}, ['Block', 'Event', 'What it says', 'Transaction'].map((name) => h('th', { scope: 'col', class: name === 'Block' ? 'number' : null }, name)))),
      h('tbody', {}, found.slice(0, shown).map((event) => h('tr', {},
        h('td', { class: 'number' }, event.block), h('td', { class: 'name' }, event.name), h('td', { class: 'small' }, saying(event)), h('td', { class: 'mono', title: event.transaction }, short(event.transaction)))))))
      : h('div', { class: 'empty' }, h('strong', {}, 'No event fits'), h('p', {}, 'Widen the range of blocks, or look at everything.')),
    found.length > shown && h('button', { onclick: () => act.draft({ shown: shown + STEP }) }, 'Show more'))
}

function saying({ args }) {
  return Object.entries(args ?? {}).filter(([name]) => name !== 'terms').map(([name, value]) => `${name} ${one(value)}`).join(' · ')
}

function one(value) {
  if (Array.isArray(value)) return `[${value.map(one).join(', ')}]`
  return typeof value === 'string' && value.startsWith('0x') ? short(value) : String(value)
}

function save(events) {
  const text = (args) => JSON.stringify(args, (_, value) => (typeof value === 'bigint' ? String(value) : value))
  download('events.csv', 'text/csv', csv(['block', 'index', 'transaction', 'contract', 'event', 'fields'], events.map((e) => [e.block, e.index, e.transaction, e.contract, e.name, text(e.args)])))
}

function endpoint(state, act) {
  const chosen = localStorage.getItem('crowdproof.rpc') ?? ''
  const keep = (event) => {
    const url = event.target.value.trim()
    if (url) localStorage.setItem('crowdproof.rpc', url)
    else localStorage.removeItem('crowdproof.rpc')
    act.refresh()
  }
  return h('details', { class: 'card' }, h('summary', {}, 'Whose word for the chain'),
    h('p', { class: 'muted small' }, 'An auditor should ask an endpoint of their own. Any JSON-RPC address of this chain will do.'),
    h('div', { class: 'field' }, h('label', { for: 'rpc' }, 'Endpoint'), h('input', { id: 'rpc', type: 'url', placeholder: state.config.rpc || 'your wallet’s', value: chosen, onchange: keep })))
}
