/**
 * Types of answers: what a worker can say, and how it is sent.
 *
 * A spec is {type, classes, ...parameters}, from the manifest. A value is what a widget edits; `answerOf(spec, value)` gives the payload.
 * In a choice it is the number of a class, which is the JSON text of the value where that is no plain choice (`classesOf(spec)` lists
 * them); a free answer is sent as it is, and the committee finds the candidate for which it stands (docs/answer-types.md).
 */

import { utf8 } from './protocol/bytes.js'

export const TYPES = {
  choice: 'One of several classes', multi: 'Any of several labels', number: 'A number', ranking: 'An order', form: 'A form of several questions',
  text: 'A text', spans: 'Marked passages of a text', boxes: 'Boxes on an image',
}
const UNLISTED = new Set(['text', 'spans', 'boxes'])
const MOST = 64
const STEP = 64 // bytes: a free payload is a multiple of it
const MOST_BYTES = 8192

/** The spec of a manifest. */
export function specOf(manifest) {
  const { type, classes = [], asked } = manifest.answer
  return { type: 'choice', ...asked, classes, free: type === 'free' }
}

/** Whether answers must be free: they cannot be listed, or are too many to choose one by its number. */
export const mustBeFree = (spec) => UNLISTED.has(spec.type) || (spec.type !== 'choice' && listed(spec).length > MOST)

/** Every value of a type as the texts of classes; throws RangeError with the reason where there are too many or too few. */
export function classesOf(spec) {
  const found = listed(spec)
  if (found.length < 2) throw new RangeError('There must be at least two possible answers.')
  if (found.length > MOST) throw new RangeError(`There are ${found.length.toLocaleString('en')} possible answers; a job decides among at most ${MOST}.`)
  return found
}

function listed(spec) {
  switch (spec.type) {
    case 'choice':
      return spec.classes ?? []
    case 'multi':
      return subsets(spec.labels ?? []).map((value) => JSON.stringify(value))
    case 'number':
      return levels(spec).map(String)
    case 'ranking':
      return orders(spec.labels ?? []).map((value) => JSON.stringify(value))
    case 'form':
      return product(Object.entries(spec.fields ?? {})).map((value) => JSON.stringify(value))
    default:
      return spec.classes ?? []
  }
}

function subsets(labels) {
  if (labels.length > 12) return Array(2 ** labels.length)
  return Array.from({ length: 2 ** labels.length }, (_, mask) => labels.filter((_, at) => (mask >> at) & 1))
}

function levels({ low, high, step = 1 }) {
  const count = Math.floor((high - low) / step + 1e-9) + 1
  if (!(step > 0) || !Number.isFinite(count) || count < 2) return []
  return Array.from({ length: Math.min(count, 10_000) }, (_, at) => Number((low + at * step).toPrecision(12)))
}

function orders(labels) {
  if (labels.length > 6) return Array(10_000)
  if (labels.length < 2) return [labels]
  return labels.flatMap((first, at) => orders(labels.toSpliced(at, 1)).map((rest) => [first, ...rest]))
}

function product(fields) {
  return fields.reduce((rows, [name, labels]) => rows.flatMap((row) => labels.map((label) => ({ ...row, [name]: label }))), [{}])
}

/** What a widget begins with. */
export function blank(spec) {
  return { choice: null, multi: [], number: '', text: '', spans: [], boxes: [], form: {}, ranking: spec.labels ?? [] }[spec.type]
}

/** Whether there is something to send. */
export function isComplete(spec, value) {
  switch (spec.type) {
    case 'choice':
      return Number.isInteger(value) && value >= 0 && value < spec.classes.length
    case 'number':
      return value !== '' && Number.isFinite(Number(value))
    case 'text':
      return value.trim() !== ''
    case 'form':
      return Object.keys(spec.fields).every((name) => spec.fields[name].includes(value[name]))
    default:
      return true
  }
}

/** {payload, text} of what is sent for a value, or {why} nothing can be. */
export function answerOf(spec, value) {
  if (!isComplete(spec, value)) return { why: 'This is not answered yet.' }
  if (spec.free) return freely(spec, textOf(spec, value))
  const label = spec.type === 'choice' ? value : position(spec, textOf(spec, value))
  return label >= 0 ? { payload: Uint8Array.of(label), text: spec.classes[label] } : { why: OUTSIDE[spec.type] ?? 'This job has no class for that answer.' }
}

/** UTF-8, then zero bytes to a multiple of STEP, at least one: the twin of oracle/protocol/free.py. */
function freely(spec, text) {
  const bytes = utf8(text)
  if (bytes.includes(0)) return { why: 'The answer holds a zero character. Delete it.' }
  if (bytes.length >= MOST_BYTES) return { why: `The answer has ${bytes.length.toLocaleString('en')} bytes, at most ${(MOST_BYTES - 1).toLocaleString('en')} are sent. Shorten it.` }
  if (spec.type === 'number' && (Number(text) < spec.low || Number(text) > spec.high)) return { why: OUTSIDE.number }
  const payload = new Uint8Array(bytes.length + STEP - (bytes.length % STEP))
  payload.set(bytes)
  return { payload, text }
}

/** Of the class that says the same. The fields of a form have no order: a manifest keeps its keys in an order of its own. */
function position(spec, text) {
  const plain = (one) => (spec.type === 'form' ? JSON.stringify(Object.entries(parsed(one)).map((pair) => JSON.stringify(pair)).sort()) : one)
  return spec.classes.map(plain).indexOf(plain(text))
}

const OUTSIDE = { number: 'The number must be on the scale, and one of its steps where it has some.' }

function textOf(spec, value) {
  if (spec.type === 'number') return String(Number(value))
  if (spec.type === 'multi') return JSON.stringify(spec.labels.filter((label) => value.includes(label)))
  if (spec.type === 'form') return JSON.stringify(Object.fromEntries(Object.keys(spec.fields).map((name) => [name, value[name]])))
  return spec.type === 'text' ? value.trim() : JSON.stringify(value)
}

/** What a class says, or nothing where it is no JSON object. */
function parsed(text) {
  try {
    return JSON.parse(text) ?? {}
  } catch {
    return {}
  }
}

/** A class as people read it. */
export function wording(spec, text) {
  if (spec.type === 'choice' || spec.type === 'number' || spec.type === 'text') return text
  try {
    const value = JSON.parse(text)
    if (spec.type === 'multi') return value.length ? value.join(', ') : 'none of them'
    if (spec.type === 'ranking') return value.join(' > ')
    if (spec.type === 'form') return Object.entries(value).map(([name, label]) => `${name}: ${label}`).join(', ')
    if (spec.type === 'spans') return value.length ? value.map((s) => `${s.label} ${s.start}–${s.end}`).join(', ') : 'nothing marked'
    return value.length ? value.map((b) => `${b.label} at ${b.x}, ${b.y} (${b.w} × ${b.h})`).join('; ') : 'no box'
  } catch {
    return text
  }
}
