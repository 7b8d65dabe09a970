/**
 * Types of answers: what a worker can say, and which class of the job that is.
 *
 * A spec is {type, classes, ...parameters}, from the manifest. A value is what a widget edits; `labelOf(spec, value)` gives the class,
 * `classesOf(spec)` all classes of a type whose values can be listed. The class of a value that is no plain choice is its JSON text.
 * Texts, spans and boxes cannot be listed: there the requester names candidates, and an answer stands for the nearest within the
 * distance of docs/answer-types.md.
 */

export const TYPES = {
  choice: 'One of several classes', multi: 'Any of several labels', number: 'A number', ranking: 'An order', form: 'A form of several questions',
  text: 'A text', spans: 'Marked passages of a text', boxes: 'Boxes on an image',
}
export const OPEN = new Set(['text', 'spans', 'boxes']) // their candidates are named by the requester
const MOST = 64

/** The spec of a manifest. */
export function specOf(manifest) {
  const { classes, asked } = manifest.answer
  return { type: 'choice', ...asked, classes }
}

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

/** {label} of the class that a value stands for, or {why} not. */
export function labelOf(spec, value) {
  if (!isComplete(spec, value)) return { why: 'This is not answered yet.' }
  const label = OPEN.has(spec.type) ? nearest(spec, value) : spec.type === 'choice' ? value : position(spec, textOf(spec, value))
  return label >= 0 ? { label } : { why: OUTSIDE[spec.type] ?? 'This job has no class for that answer.' }
}

/** Of the class that says the same. The fields of a form have no order: a manifest keeps its keys in an order of its own. */
function position(spec, text) {
  const plain = (one) => (spec.type === 'form' ? JSON.stringify(Object.entries(parsed(one, {})).map((pair) => JSON.stringify(pair)).sort()) : one)
  return spec.classes.map(plain).indexOf(plain(text))
}

const OUTSIDE = {
  number: 'The number must be one of the steps of the scale.',
  text: 'None of the texts that this job can decide is close to yours. Check your spelling, or give the task back.',
  spans: 'None of the markings that this job can decide is close to yours. Look at the passages again, or give the task back.',
  boxes: 'None of the boxes that this job can decide is close to yours. Draw tighter boxes, or give the task back.',
}

function textOf(spec, value) {
  if (spec.type === 'number') return String(Number(value))
  if (spec.type === 'multi') return JSON.stringify(spec.labels.filter((label) => value.includes(label)))
  if (spec.type === 'form') return JSON.stringify(Object.fromEntries(Object.keys(spec.fields).map((name) => [name, value[name]])))
  return JSON.stringify(value)
}

const REACH = { text: 0.1, spans: 0.1, boxes: 0.25 }
const DISTANCE = { text: textDistance, spans: spansDistance, boxes: boxesDistance }

function nearest(spec, value) {
  let best = -1
  let least = REACH[spec.type] + 1e-9
  spec.classes.forEach((text, at) => {
    const distance = DISTANCE[spec.type](value, spec.type === 'text' ? text : parsed(text))
    if (distance < least) [best, least] = [at, distance]
  })
  return best
}

/** What a class says, or `blank` where it is no JSON of that kind. */
function parsed(text, blank = []) {
  try {
    const found = JSON.parse(text)
    return found && Array.isArray(found) === Array.isArray(blank) ? found : blank
  } catch {
    return blank
  }
}

/** Words edited, over the words of the longer text. */
export function textDistance(one, two) {
  const [a, b] = [one, two].map((text) => text.normalize('NFKC').toLowerCase().match(/[\p{L}\p{N}\p{M}']+/gu) ?? [])
  if (!a.length && !b.length) return 0
  let row = b.map((_, at) => at + 1)
  a.forEach((word, i) => {
    let corner = i
    let left = i + 1
    row = row.map((above, j) => {
      const cost = Math.min(above + 1, left + 1, corner + (word === b[j] ? 0 : 1))
      corner = above
      left = cost
      return cost
    })
  })
  return (b.length ? row.at(-1) : a.length) / Math.max(a.length, b.length)
}

/** 1 - F1 of labelled characters. */
export function spansDistance(one, two) {
  const [a, b] = [one, two].map((spans) => {
    const found = new Set()
    for (const { start, end, label } of spans) for (let at = start; at < Math.min(end, start + 20_000); at++) found.add(`${label}\0${at}`)
    return found
  })
  return 1 - f1(a.size, b.size, [...a].filter((character) => b.has(character)).length)
}

/** 1 - F1 by overlap: boxes of one label matched greedily by their intersection over union. */
export function boxesDistance(one, two) {
  const pairs = one.flatMap((a, i) => two.map((b, j) => [a.label === b.label ? overlap(a, b) : 0, i, j])).sort((a, b) => b[0] - a[0])
  const [used, taken] = [new Set(), new Set()]
  let sum = 0
  for (const [share, i, j] of pairs) {
    if (used.has(i) || taken.has(j)) continue
    used.add(i)
    taken.add(j)
    sum += share
  }
  return 1 - f1(one.length, two.length, sum)
}

function overlap(a, b) {
  const width = Math.max(0, Math.min(a.x + a.w, b.x + b.w) - Math.max(a.x, b.x))
  const height = Math.max(0, Math.min(a.y + a.h, b.y + b.h) - Math.max(a.y, b.y))
  const both = width * height
  return both ? both / (a.w * a.h + b.w * b.h - both) : 0
}

const f1 = (one, two, both) => (one + two ? (2 * both) / (one + two) : 1)

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
