/** Small charts as SVG, each with the same in words: labels and values -> DOM. */

import { h } from './dom.js'

const WIDTH = 480
const HEIGHT = 150

/** Columns. `bars`: [label, value, weak]; `unit`: of the values, in words. */
export function columns(title, bars, unit) {
  const most = Math.max(1, ...bars.map(([, value]) => value))
  const step = WIDTH / bars.length
  const words = bars.filter(([, value]) => value).map(([label, value]) => `${label}: ${value}`).join(', ')
  return h('svg', { class: 'chart', viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: 'img', 'aria-label': `${title}. ${unit}: ${words || 'none yet'}` },
    h('line', { x1: 0, x2: WIDTH, y1: HEIGHT - 20, y2: HEIGHT - 20 }),
    bars.map(([label, value, weak], at) => {
      const height = (value / most) * (HEIGHT - 45)
      return [
        h('rect', { class: weak ? 'weak' : null, x: at * step + step * 0.12, y: HEIGHT - 20 - height, width: step * 0.76, height, rx: 3 }),
        value > 0 && h('text', { x: at * step + step / 2, y: HEIGHT - 25 - height, 'text-anchor': 'middle' }, value),
        h('text', { x: at * step + step / 2, y: HEIGHT - 6, 'text-anchor': 'middle' }, label),
      ]
    }))
}

/** How far something is: `done` of `all`. */
export function bar(name, done, all) {
  return h('div', {}, h('div', { class: 'row apart small' }, h('span', {}, name), h('span', { class: 'number muted' }, `${Number(done).toLocaleString('en')} of ${Number(all).toLocaleString('en')}`)),
    h('progress', { 'aria-label': name, max: all, value: done }))
}
