/** One epoch, and its verification in this browser. */

import { cidOfContent, look, verifyEpoch } from '../auditor.js'
import { h } from '../dom.js'
import { money } from '../format.js'
import * as api from '../api.js'

export default { title: (state) => `Epoch ${state.route.params.epoch}`, load, view, every: 4_000 }

async function load(state, act) {
  const { history } = await look(act.chain(), state.deployment)
  return { history, post: history.posts[state.route.params.epoch - 1] ?? null }
}

function view(state, act) {
  const { post } = state.data
  const number = state.route.params.epoch
  if (post === undefined) return h('p', { class: 'loading' }, 'Reading the chain…')
  if (post === null) return h('div', { class: 'empty' }, h('strong', {}, `There is no epoch ${number}`), h('div', { class: 'row' }, h('a', { class: 'button', href: '#/audit' }, 'To all epochs')))
  return [
    h('p', {}, h('a', { href: '#/audit' }, 'Audit')),
    h('h1', {}, `Epoch ${number} `, h('span', { class: `tag ${{ pending: 'warn', final: 'good', struck: 'bad' }[post.status]}` }, post.status)),
    h('section', { class: 'card' }, h('dl', { class: 'facts small' },
      h('dt', {}, 'Posted in'), h('dd', { class: 'mono' }, post.transaction, ` (block ${post.block})`),
      h('dt', {}, 'Content'), h('dd', {}, h('a', { class: 'mono', href: `/ipfs/${cidOfContent(post.content)}` }, cidOfContent(post.content))),
      h('dt', {}, 'Header digest'), h('dd', { class: 'mono' }, post.digest),
      h('dt', {}, 'Head'), h('dd', { class: 'mono' }, post.head),
      post.total !== undefined && [h('dt', {}, 'Earned up to here'), h('dd', {}, money(post.total * BigInt(state.deployment.unit)))])),
    verification(state, act, number),
    post.status === 'pending' && state.draft.verified === false && refutation(state, act, number),
  ]
}

function verification(state, act, number) {
  const { steps, verified } = state.draft
  const run = () => act.run('Verifying', async () => {
    const found = await verifyEpoch(act.chain(), state.deployment, number, (list) => act.draft({ steps: list, verified: undefined }))
    act.draft({ verified: found })
  })
  return h('section', { class: 'card', 'aria-labelledby': 'verify-title' }, h('h2', { id: 'verify-title' }, 'Verify it yourself'),
    h('p', { class: 'muted' }, 'Your browser fetches the data, hashes every block, recovers every signature and repeats every decision. It believes neither this server nor the committee.'),
    h('button', { class: 'main', id: 'verify', disabled: !!state.busy, onclick: run }, steps ? 'Verify again' : 'Verify this epoch'),
    steps && h('ul', { class: 'checks', id: 'steps' }, steps.map((step) =>
      h('li', { class: step.ok === null ? null : step.ok ? 'ok' : 'wrong' }, h('span', { class: 'mark', 'aria-hidden': 'true' }, step.ok === null ? '…' : step.ok ? '✓' : '✗'),
        h('div', {}, h('strong', {}, step.name, h('span', { class: 'hidden' }, step.ok === null ? ' (running)' : step.ok ? ' (holds)' : ' (does not hold)')), h('div', { class: 'small muted' }, step.detail))))),
    verified === true && h('p', { class: 'notice good', id: 'verified' }, 'Everything in this epoch follows from the signed answers.'),
    verified === false && h('p', { class: 'notice bad', id: 'refuted' }, 'This epoch breaks a rule.'))
}

/** Strikes a pending epoch that breaks a rule: the server shows the cheapest proof, the contracts alone decide. */
function refutation(state, act, number) {
  const strike = () => act.run('Refuting', async () => {
    const found = await api.post('/transactions/refute', { epoch: number, beneficiary: state.wallet.address })
    if (!found.transactions.calls.length) throw new Error(`There is nothing to send: ${found.what}`)
    for (const { to, data, value } of found.transactions.calls) await state.wallet.send({ to, data, value: BigInt(value) })
    return 'The epoch is struck. Its signers lose their stake, and part of it is yours.'
  })
  return h('section', { class: 'card', id: 'refutation' }, h('h2', {}, 'Refute it'), h('p', { class: 'muted' }, 'One transaction with the proof. The contracts check it, trust nobody, and reward you.'),
    state.wallet ? h('button', { class: 'main', id: 'refute', disabled: !!state.busy, onclick: strike }, 'Strike this epoch') : h('button', { onclick: act.choose }, 'Connect a wallet'))
}
