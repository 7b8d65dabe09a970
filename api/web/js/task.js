/**
 * A task as a worker sees it. A payload is whatever the requester wrote: text stays text, and an image is shown only when its bytes
 * are one (PNG, JPEG, GIF, WebP), never SVG, and never by another server's address.
 */

import { block } from './api.js'
import { h } from './dom.js'
import { checked } from './protocol/cid.js'

const SIGNATURES = [
  ['image/png', [0x89, 0x50, 0x4e, 0x47]],
  ['image/jpeg', [0xff, 0xd8, 0xff]],
  ['image/gif', [0x47, 0x49, 0x46, 0x38]],
  ['image/webp', [0x52, 0x49, 0x46, 0x46]],
]
const EMBEDDED = /^data:image\/(png|jpeg|gif|webp);base64,[A-Za-z0-9+/=]+$/
const shownAs = new Map()

/** The payload with `shown`: a local address of its image, if it has one that may be shown, or '' with `unshown`, the reason. */
export async function prepared(payload) {
  const image = payload?.image
  if (typeof image !== 'string') return payload
  if (EMBEDDED.test(image)) return { ...payload, shown: image }
  if (!shownAs.has(image)) shownAs.set(image, await fetched(image))
  return { ...payload, ...shownAs.get(image) }
}

async function fetched(cid) {
  try {
    const bytes = await checked(cid, await block(cid))
    const type = SIGNATURES.find(([, start]) => start.every((byte, at) => bytes[at] === byte))?.[0]
    if (!type) return { shown: '', unshown: 'It is no image that this page shows (PNG, JPEG, GIF or WebP).' }
    return { shown: URL.createObjectURL(new Blob([bytes], { type })) }
  } catch (problem) {
    return { shown: '', unshown: problem.message }
  }
}

const OWN = new Set(['text', 'image', 'shown', 'unshown', 'width', 'height', 'question'])

/** `without`: what a widget shows by itself. */
export function taskView(payload, without = '') {
  if (typeof payload !== 'object' || payload === null) return h('div', { class: 'task prose' }, String(payload ?? ''))
  const more = Object.entries(payload).filter(([name]) => !OWN.has(name))
  return h('div', { class: 'task stack' },
    payload.question && h('p', { class: 'prose' }, String(payload.question)),
    payload.text !== undefined && without !== 'text' && h('p', { class: 'prose' }, String(payload.text)),
    payload.shown && without !== 'image' && h('img', { src: payload.shown, alt: String(payload.alt ?? 'The image of this task') }),
    payload.unshown && h('p', { class: 'notice warn small' }, `The image is not shown. ${payload.unshown}`),
    more.length > 0 && h('dl', { class: 'facts small' }, more.map(([name, value]) => [h('dt', {}, name), h('dd', { class: 'prose' }, typeof value === 'string' ? value : JSON.stringify(value))])))
}

/** What the widget of a type already shows. */
export const shownBy = (type) => ({ spans: 'text', boxes: 'image' })[type] ?? ''
