/** The start: three doors, and what has happened here so far. */

import { get } from '../api.js'
import { h } from '../dom.js'
import { money } from '../format.js'

export default { title: () => 'Start', load, view, every: 6_000 }

async function load() {
  const [jobs, epochs] = await Promise.all([get('/jobs'), get('/epochs')])
  return { jobs, epochs }
}

function view({ data }) {
  const epochs = (data.epochs ?? []).filter((epoch) => epoch.status !== 'struck')
  const verdicts = epochs.reduce((sum, epoch) => sum + epoch.verdicts, 0)
  const earned = epochs.reduce((most, epoch) => (BigInt(epoch.total) > most ? BigInt(epoch.total) : most), 0n)
  return [
    h('h1', {}, 'Crowd work that anyone can check'),
    h('p', { class: 'lead' }, 'Requesters escrow the pay before anyone works. Answers stay sealed until a task closes. Every verdict and every payment carries a proof.'),
    h('div', { class: 'grid' },
      door('#/work', 'I want to work', 'Find tasks that suit you, answer them, and be paid to your own wallet.'),
      door('#/jobs/new', 'I have work to give', 'Describe it, see the price to the unit, fund it, follow it, take the results.'),
      door('#/audit', 'I want to check', 'Follow each number to its transaction and recompute it in this browser.')),
    data.jobs && h('section', { 'aria-labelledby': 'so-far' }, h('h2', { id: 'so-far' }, 'So far on this deployment'),
      h('dl', { class: 'figures' }, figure('Jobs', data.jobs.length === 100 ? '100 or more' : data.jobs.length), figure('Verdicts', verdicts.toLocaleString('en')),
        figure('Epochs', (data.epochs ?? []).length), figure('Earned by workers, with fees', money(earned)))),
  ]
}

const door = (href, title, text) => h('a', { class: 'card door', href }, h('strong', {}, title), h('span', { class: 'muted' }, text))
export const figure = (name, value) => h('div', {}, h('dt', {}, name), h('dd', {}, value))
