/**
 * The fields in which a worker answers, one function a type: (spec, value, payload, change) -> DOM. Each can be used with a keyboard
 * alone; `keyed(spec, value, event)` gives the value after a digit was pressed, or undefined.
 */

import { h } from './dom.js'
import { blank } from './types.js'

export function widget(spec, value, payload, change) {
  return FIELDS[spec.type]?.(spec, value ?? blank(spec), payload, change) ?? h('p', {}, 'This page does not know this type of answer.')
}

export function keyed(spec, value, { key, ctrlKey, metaKey, altKey }) {
  const at = Number(key) - 1
  if (ctrlKey || metaKey || altKey || !(at >= 0 && at < 9)) return undefined
  if (spec.type === 'choice' && at < spec.classes.length) return at
  if (spec.type === 'multi' && at < spec.labels.length) return toggled(value ?? [], spec.labels[at])
  return undefined
}

const toggled = (list, one) => (list.includes(one) ? list.filter((item) => item !== one) : [...list, one])
const option = (type, name, id, text, checked, onchange, at) =>
  h('li', {}, h('label', { class: 'choice', for: id }, h('input', { type, name, id, checked, onchange }), h('span', {}, text), at < 9 && h('kbd', { class: 'wide', 'aria-hidden': 'true' }, at + 1)))

const FIELDS = {
  choice: (spec, value, _, change) =>
    h('fieldset', {}, h('legend', {}, 'Your answer'),
      h('ul', { class: 'choices' }, spec.classes.map((text, at) => option('radio', 'answer', `answer-${at}`, text, value === at, () => change(at), at)))),

  multi: (spec, value, _, change) =>
    h('fieldset', {}, h('legend', {}, 'All that apply, or none'),
      h('ul', { class: 'choices' }, spec.labels.map((text, at) => option('checkbox', 'answer', `answer-${at}`, text, value.includes(text), () => change(toggled(value, text)), at)))),

  number: (spec, value, _, change) =>
    h('div', { class: 'field' }, h('label', { for: 'answer-number' }, `A number from ${spec.low} to ${spec.high}`),
      h('input', { id: 'answer-number', type: 'number', min: spec.low, max: spec.high, step: spec.step ?? 1, value, oninput: (event) => change(event.target.value) }),
      h('input', { id: 'answer-range', type: 'range', 'aria-label': 'The same on a slider', min: spec.low, max: spec.high, step: spec.step ?? 1, value: value === '' ? spec.low : value, oninput: (event) => change(event.target.value) })),

  text: (spec, value, _, change) =>
    h('div', { class: 'field' }, h('label', { for: 'answer-text' }, 'Your text'),
      h('textarea', { id: 'answer-text', maxlength: 16_000, value, oninput: (event) => change(event.target.value) })),

  ranking: (spec, value, _, change) => {
    const move = (at, by) => () => change(swapped(value, at, at + by))
    return h('fieldset', {}, h('legend', {}, 'Best first'),
      h('ol', { class: 'order' }, value.map((text, at) =>
        h('li', {}, h('span', {}, text),
          h('button', { 'aria-label': `Move ${text} up`, disabled: at === 0, onclick: move(at, -1) }, '↑'),
          h('button', { 'aria-label': `Move ${text} down`, disabled: at === value.length - 1, onclick: move(at, 1) }, '↓')))))
  },

  form: (spec, value, _, change) =>
    Object.entries(spec.fields).map(([name, labels], field) =>
      h('fieldset', {}, h('legend', {}, name),
        h('ul', { class: 'choices' }, labels.map((text, at) => option('radio', `answer-${field}`, `answer-${field}-${at}`, text, value[name] === text, () => change({ ...value, [name]: text }), 9))))),

  spans: (spec, value, payload, change) => spans(spec, value, String(payload?.text ?? payload ?? ''), change),
  boxes: (spec, value, payload, change) => boxes(spec, value, payload, change),
}

function swapped(list, one, two) {
  const out = [...list]
  ;[out[one], out[two]] = [out[two], out[one]]
  return out
}

// ----------------------------------------------------------------------------------------------------------------- spans

const choosing = { label: 0, begun: null } // which label is next, and the word at which a passage began

function spans(spec, value, text, change) {
  const [words, characters] = [wordsOf(text), [...text]]
  const marked = ({ start, end }) => characters.slice(start, end).join('')
  const press = (at) => () => {
    if (choosing.begun === null) choosing.begun = at
    else {
      const [first, last] = [choosing.begun, at].sort((a, b) => a - b)
      const fresh = { start: words[first].start, end: words[last].end, label: spec.labels[choosing.label] }
      choosing.begun = null
      value = [...value.filter((one) => one.label !== fresh.label || one.end <= fresh.start || one.start >= fresh.end), fresh].sort((a, b) => a.start - b.start)
    }
    change(value)
  }
  return [
    labels(spec, change, value, 'Mark a passage as'),
    h('p', { class: 'small muted' }, 'Choose the first word of a passage, then its last word.'),
    h('div', { class: 'words', role: 'group', 'aria-label': 'Words of the text' }, words.map((word, at) => [
      h('button', { id: `word-${at}`, 'aria-pressed': String(value.some((one) => word.start < one.end && word.end > one.start)), class: choosing.begun === at ? 'begun' : null, onclick: press(at) }, word.text), ' '])),
    h('ul', { class: 'order' }, value.map((one, at) =>
      h('li', {}, h('span', {}, `${one.label}: “${marked(one)}”`), h('button', { class: 'quiet', 'aria-label': `Remove ${one.label} ${marked(one)}`, onclick: () => change(value.toSpliced(at, 1)) }, 'Remove')))),
  ]
}

/** Words with their places, counted in characters (code points) as everybody else counts them, not in halves of some. */
function wordsOf(text) {
  const found = []
  let [at, unit] = [0, 0]
  for (const { index, 0: word } of text.matchAll(/\S+/g)) {
    const start = at + [...text.slice(unit, index)].length
    at = start + [...word].length
    unit = index + word.length
    found.push({ start, end: at, text: word })
    if (found.length === 2000) break
  }
  return found
}

function labels(spec, change, value, legend) {
  return h('fieldset', {}, h('legend', {}, legend), h('div', { class: 'row' }, spec.labels.map((text, at) =>
    h('label', { class: 'choice', for: `label-${at}` }, h('input', { type: 'radio', name: 'label', id: `label-${at}`, checked: choosing.label === at, onchange: () => { choosing.label = at; change(value) } }), text))))
}

// ----------------------------------------------------------------------------------------------------------------- boxes

const drawing = { from: null }
const SIZE = 1000 // of an image whose size the task does not give

function boxes(spec, value, payload, change) {
  const [width, height] = [payload?.width ?? SIZE, payload?.height ?? SIZE]
  const place = (event) => {
    const frame = event.currentTarget.getBoundingClientRect()
    return [((event.clientX - frame.left) / frame.width) * width, ((event.clientY - frame.top) / frame.height) * height].map(Math.round)
  }
  const begin = (event) => {
    event.currentTarget.setPointerCapture?.(event.pointerId)
    drawing.from = place(event)
  }
  const end = (event) => {
    if (!drawing.from) return
    const [[x1, y1], [x2, y2]] = [drawing.from, place(event)]
    drawing.from = null
    const box = { x: Math.min(x1, x2), y: Math.min(y1, y2), w: Math.abs(x1 - x2), h: Math.abs(y1 - y2), label: spec.labels[choosing.label] }
    if (box.w > 2 && box.h > 2) change([...value, box])
  }
  const edit = (at, name) => (event) => change(value.with(at, { ...value[at], [name]: Math.max(0, Math.round(Number(event.target.value) || 0)) }))
  const add = () => change([...value, { x: Math.round(width / 4), y: Math.round(height / 4), w: Math.round(width / 2), h: Math.round(height / 2), label: spec.labels[choosing.label] }])
  return [
    labels(spec, change, value, 'Draw a box around'),
    h('div', { class: 'canvas' }, h('img', { src: payload?.shown ?? '', alt: 'The image of this task', width, height }),
      h('svg', { viewBox: `0 0 ${width} ${height}`, role: 'img', 'aria-label': `${value.length} boxes drawn`, onpointerdown: begin, onpointerup: end },
        value.map((box) => h('rect', { x: box.x, y: box.y, width: box.w, height: box.h })))),
    h('p', {}, h('button', { id: 'add-box', onclick: add }, 'Add a box'), ' ', h('span', { class: 'small muted' }, 'or draw one with the pointer; the numbers move it.')),
    h('ul', { class: 'order' }, value.map((box, at) =>
      h('li', {}, h('span', {}, box.label), ['x', 'y', 'w', 'h'].map((name) =>
        h('input', { type: 'number', 'aria-label': `${NAMES[name]} of box ${at + 1}`, id: `box-${at}-${name}`, value: box[name], onchange: edit(at, name) })),
        h('button', { class: 'quiet', 'aria-label': `Remove box ${at + 1}`, onclick: () => change(value.toSpliced(at, 1)) }, 'Remove')))),
  ]
}

const NAMES = { x: 'Left edge', y: 'Top edge', w: 'Width', h: 'Height' }
