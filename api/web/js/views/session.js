/** Signing in (EIP-4361): what is private is shown to the wallet whose it is. */

import { h } from '../dom.js'

/** The card that asks to sign in, or null where that is done, or not known yet. */
export function signInCard(state, act, title, text) {
  if (!state.wallet || state.session !== false) return null
  return h('section', { class: 'card', id: 'sign-in-card' }, h('h2', {}, title), h('p', { class: 'muted' }, text),
    h('button', { class: 'main', id: 'sign-in', disabled: !!state.busy, onclick: () => act.run('Signing in', act.signIn) }, 'Sign in'))
}
