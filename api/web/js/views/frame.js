/** What stands around every page: navigation, account, notices, and what is shown while there is nothing to show. */

import { Problem, post } from '../api.js'
import { h } from '../dom.js'
import { short } from '../format.js'

const NAV = [
  ['#/work', 'Work', ['work', 'offer', 'practice', 'answer']],
  ['#/earnings', 'Earnings', ['earnings']],
  ['#/jobs', 'Jobs', ['jobs', 'create', 'job', 'review']],
  ['#/audit', 'Audit', ['timeline', 'epoch', 'verdict']],
  ['#/health', 'Health', ['health']],
]

export function header(state, act) {
  const links = NAV.map(([href, text, names]) =>
    h('li', {}, h('a', { href, 'aria-current': names.includes(state.route.name) ? 'page' : null }, text)))
  return h('div', {},
    h('a', { class: 'brand', href: '#/' }, h('img', { src: '/web/icon.svg', alt: '' }), 'crowdproof'),
    h('nav', { 'aria-label': 'Main' }, h('ul', {}, links)),
    h('div', { class: 'account' }, account(state, act)),
    state.choosing && chooser(state, act))
}

function account(state, act) {
  if (!state.deployment) return null
  if (!state.wallet) return h('button', { id: 'connect', onclick: act.choose }, 'Connect wallet')
  return [
    h('span', { class: 'mono', id: 'me', title: state.wallet.address }, short(state.wallet.address)),
    h('button', { class: 'quiet', id: 'disconnect', onclick: act.disconnect }, 'Disconnect'),
  ]
}

function chooser(state, act) {
  const close = () => act.set({ choosing: false })
  const wallets = state.found.map((found) =>
    h('li', {}, h('button', { onclick: () => act.connect(found) },
      /^data:image\//.test(found.info.icon ?? '') && h('img', { src: found.info.icon, alt: '' }), String(found.info.name).slice(0, 60))))
  return h('dialog', { id: 'chooser', 'aria-labelledby': 'chooser-title', onclose: close, onkeydown: (event) => event.key === 'Escape' && close() },
    h('h2', { id: 'chooser-title' }, 'Connect a wallet'),
    h('p', { class: 'muted' }, 'Your wallet is your account. Connecting shows its address to this page, nothing more.'),
    h('ul', { class: 'choices' }, wallets),
    !wallets.length && h('p', {}, 'No wallet was found in this browser. Install one, then load this page again.'),
    state.config.local && h('p', { class: 'small muted' }, 'The burner wallet is a key kept in this browser, for this local chain only.'),
    h('div', { class: 'row end' }, h('button', { class: 'quiet', onclick: close }, 'Cancel')))
}

export function notices(state, act) {
  return [
    !state.online && h('div', { class: 'notice warn', id: 'offline' }, 'The server does not answer. What you see may be old; this page tries again by itself.'),
    state.busy && h('div', { class: 'notice', id: 'busy' }, `${state.busy}…`),
    state.notice && h('div', { class: `notice ${state.notice.kind}`, id: 'notice' }, h('span', {}, state.notice.text),
      h('button', { class: 'quiet', 'aria-label': 'Dismiss', onclick: () => act.set({ notice: null }) }, 'Dismiss')),
  ]
}

export function footer(state) {
  if (!state.deployment) return null
  return [
    h('span', {}, `Chain ${state.deployment.chain_id}`),
    h('span', {}, 'Market ', h('span', { class: 'mono' }, short(state.deployment.market))),
    h('a', { href: '/openapi.json' }, 'API'),
    state.config.local && h('span', {}, 'Local chain: its money is play money'),
  ]
}

/** While something loads, or when it cannot be shown. */
export function trouble(state) {
  if (!state.failure) return h('p', { class: 'loading' }, state.online ? 'Loading…' : 'Waiting for the server…')
  const missing = state.failure instanceof Problem && state.failure.status === 404
  return h('div', { class: 'empty', id: 'trouble' },
    h('strong', {}, missing ? 'There is nothing here' : 'This could not be loaded'),
    h('p', {}, state.failure.message),
    h('div', { class: 'row' }, h('a', { class: 'button', href: '#/' }, 'To the start')))
}

/** What a page shows to who has no wallet connected. */
export function needsWallet(state, act, why) {
  return h('div', { class: 'empty', id: 'needs-wallet' }, h('strong', {}, 'Connect your wallet'), h('p', {}, why),
    h('div', { class: 'row' }, h('button', { class: 'main', onclick: act.choose }, 'Connect wallet')))
}

/** On a local chain: play money for who has none. */
export function faucetButton(state, act) {
  if (!state.config.faucet || !state.wallet) return null
  const give = () => act.run('Asking the faucet', async () => {
    await post('/faucet', { wallet: state.wallet.address, coin: 1, tokens: 1000 })
    return '1,000 DEMO and coin for transactions have arrived.'
  })
  return h('button', { id: 'faucet', onclick: give, disabled: !!state.busy }, 'Get play money')
}

/** A value that the chain gave, with where to check it. */
export function proof(transaction, cid) {
  return [
    transaction && h('span', { class: 'mono', title: transaction }, `tx ${short(transaction)}`), transaction && cid && ' · ',
    cid && h('a', { class: 'mono', href: `/ipfs/${cid}`, title: cid }, `cid ${cid.slice(0, 6)}…${cid.slice(-4)}`),
  ]
}
