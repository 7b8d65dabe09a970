/** An address of no page. */

import { h } from '../dom.js'

export default { title: () => 'Not found', view: () => h('div', { class: 'empty' }, h('strong', {}, 'There is no such page'), h('p', {}, 'The address may be old, or mistyped.'), h('div', { class: 'row' }, h('a', { class: 'button', href: '#/' }, 'To the start'))) }
