/** A new job: what is asked, of what, for how much; a preview as a worker sees it; the exact price; funded in one go. */

import { get } from '../api.js'
import { blockTime } from '../app.js'
import { h } from '../dom.js'
import { count, money } from '../format.js'
import * as requester from '../requester.js'
import { prepared, shownBy, taskView } from '../task.js'
import { TYPES, blank } from '../types.js'
import { widget } from '../widgets.js'
import { faucetButton, needsWallet } from './frame.js'

export default { title: () => 'New job', load, view, every: 8_000 }

async function load(state, act) {
  state.now = await act.now()
  const templates = state.data.templates ?? (await get('/templates'))
  const balance = state.wallet ? await act.chain().token('balanceOf', state.wallet.address) : null
  return { templates, balance }
}

const formOf = (state) => state.draft.form ?? requester.FORM

/** A change of the form: what was checked is not any more. */
function edit(state, act, change) {
  act.draft({ form: { ...formOf(state), ...change }, checked: null, tried: undefined })
}

function view(state, act) {
  const form = formOf(state)
  return [
    h('h1', {}, 'New job'),
    h('p', { class: 'lead' }, 'Nothing is spent until you have seen the exact price and your wallet asks you.'),
    h('div', { class: 'split' },
      h('div', {}, templates(state, act), describe(state, act, form), tasks(state, act, form), pay(state, act, form), who(state, act, form)),
      h('div', {}, preview(state, act, form), price(state, act, form))),
  ]
}

function templates(state, act) {
  const use = (event) => {
    const found = state.data.templates.find((one) => one.name === event.target.value)
    if (found) edit(state, act, requester.fromTemplate(found))
  }
  return h('section', { class: 'card' }, h('h2', {}, 'Begin with'),
    h('div', { class: 'field' }, h('label', { for: 'template' }, 'Template'),
      h('select', { id: 'template', onchange: use }, h('option', { value: '' }, 'An empty form'), (state.data.templates ?? []).map((one) => h('option', { value: one.name }, one.title))),
      h('p', { class: 'hint' }, 'It fills in everything below; change what you like.')))
}

/** A labelled field. `more`: attributes of its input. */
function field(state, act, form, name, label, hint = '', more = {}) {
  const tag = more.rows ? 'textarea' : 'input'
  const wrong = (state.draft.checked?.flaws ?? []).filter((flaw) => FIELDS[name] && flaw.field?.startsWith(FIELDS[name]))
  return h('div', { class: 'field' }, h('label', { for: name }, label),
    h(tag, { id: name, value: form[name], oninput: (event) => edit(state, act, { [name]: event.target.value }), 'aria-describedby': hint || wrong.length ? `${name}-hint` : null, 'aria-invalid': wrong.length ? 'true' : null, ...more }),
    (hint || wrong.length > 0) && h('p', { class: wrong.length ? 'wrong' : 'hint', id: `${name}-hint` }, wrong.length ? wrong.map((flaw) => flaw.what).join('; ') : hint))
}

const FIELDS = {
  title: 'title', instructions: 'instructions', classes: 'answer', labels: 'answer', most: 'redundancy.most', least: 'redundancy.least', base: 'reward.base', bonus: 'reward.bonus',
  days: 'deadline', minutes: 'assignmentSeconds', gold: 'goldShare', qualifications: 'qualifications', allow: 'allow', deny: 'deny', fee: 'feeBps',
}

function describe(state, act, form) {
  const type = (event) => edit(state, act, { type: event.target.value })
  return h('section', { class: 'card', 'aria-labelledby': 'describe' }, h('h2', { id: 'describe' }, 'What is asked'),
    field(state, act, form, 'title', 'Title', 'One line that a worker understands in a list.', { maxlength: 200 }),
    field(state, act, form, 'instructions', 'Instructions', 'What to do, and what to do in doubt.', { rows: 5, maxlength: 20_000 }),
    h('div', { class: 'field' }, h('label', { for: 'type' }, 'A worker answers with'), h('select', { id: 'type', value: form.type, onchange: type }, Object.entries(TYPES).map(([value, text]) => h('option', { value }, text)))),
    PARAMETERS[form.type](state, act, form))
}

const LABELS = ['labels', 'Labels', 'One a line.', { rows: 4 }]
const some = (...given) => (state, act, form) => given.map((one) => field(state, act, form, ...one))
const PARAMETERS = {
  choice: some(['classes', 'Possible answers', 'One a line, 2 to 64.', { rows: 4 }]),
  multi: some(['labels', 'Labels', 'One a line.', { rows: 4 }]),
  ranking: some(['labels', 'What is put in order', 'One a line.', { rows: 4 }]),
  number: (state, act, form) => h('div', { class: 'pair' }, some(['low', 'Lowest', '', { type: 'number' }], ['high', 'Highest', '', { type: 'number' }], ['step', 'In steps of', 'Up to 64 steps are chosen from; of more, any number.', { type: 'number' }])(state, act, form)),
  form: some(['fields', 'Questions', 'One a line: question: answer, answer, …', { rows: 4 }]),
  text: texts,
  spans: some(LABELS),
  boxes: some(LABELS),
}

/** A text is written freely; what is rejected earns nothing, and its worker can contest that. */
function texts(state, act, form) {
  const choose = (event) => edit(state, act, { checks: event.target.value })
  const options = [['', 'Count every text'], ...Object.entries(requester.CHECKS).map(([name, { text }]) => [name, text])]
  return [
    h('div', { class: 'field' }, h('label', { for: 'checks' }, 'Texts that do not count'), h('select', { id: 'checks', value: form.checks, onchange: choose }, options.map(([value, text]) => h('option', { value }, text))),
      h('p', { class: 'hint' }, 'A text that is rejected earns nothing. Its worker reads why, and can contest it.')),
    form.checks && h('div', { class: 'pair' }, some(['shortest', 'Shortest text', 'Characters.', { type: 'number' }], ['languages', 'Languages', 'Such as en, de; empty for any.'])(state, act, form)),
  ]
}

function tasks(state, act, form) {
  const file = (event) => {
    const [chosen] = event.target.files
    if (chosen) act.run('Reading the file', async () => {
      const found = await requester.importFile(chosen)
      edit(state, act, { tasks: found.tasks })
      state.draft.imported = found
    })
  }
  const { imported } = state.draft
  const flaws = [...(imported?.flaws ?? []), ...(state.draft.checked?.flaws ?? []).filter((flaw) => flaw.row)]
  return h('section', { class: 'card', 'aria-labelledby': 'tasks' }, h('h2', { id: 'tasks' }, 'The tasks'),
    h('div', { class: 'field' }, h('label', { for: 'file' }, 'A file'), h('input', { id: 'file', type: 'file', accept: '.csv,.jsonl,.parquet', onchange: file }), h('p', { class: 'hint' }, 'CSV or Parquet with a column task (its id) and columns such as text or image; or JSONL: {"task": id, "payload": anything}. A column gold holds the answers that you know: they are sealed to the committee.')),
    h('div', { class: 'field' }, h('label', { for: 'lines' }, 'Or one text a line'), h('textarea', { id: 'lines', oninput: (event) => { state.draft.imported = null; edit(state, act, { tasks: requester.fromLines(event.target.value) }) } })),
    h('p', { class: 'muted', id: 'task-count' }, count(form.tasks.length, 'task')),
    imported?.changes?.length > 0 && h('p', { class: 'notice', id: 'replaced' }, `Personal data was replaced in ${count(imported.changes.length, 'place')}: ${[...new Set(imported.changes.map((one) => one.kind))].join(', ')}. What is stored can be called back by nobody; the manifest’s personalData says what is kept.`),
    flaws.length > 0 && h('div', { class: 'notice bad', id: 'row-flaws' }, h('div', {}, h('strong', {}, `${count(flaws.length, 'row')} cannot be taken`), h('ul', {}, flaws.slice(0, 20).map((flaw) => h('li', {}, `Row ${flaw.row ?? '?'}${flaw.field ? `, ${flaw.field}` : ''}: ${flaw.what}`))))))
}

function pay(state, act, form) {
  const at = some(
    ['base', 'Pay for an answer', 'In DEMO. Everyone who answers earns it.', { inputmode: 'decimal' }], ['bonus', 'Bonus', 'More, if the answer agrees with the verdict.', { inputmode: 'decimal' }],
    ['most', 'Answers a task', 'More give surer verdicts.', { type: 'number', min: 1, max: 64 }], ['least', 'At least', 'With fewer at the end a task is refunded.', { type: 'number', min: 1, max: 64 }],
    ['days', 'Open for days', '', { type: 'number', min: 0.01, step: 'any' }], ['minutes', 'Minutes for a task', 'Then it goes to somebody else.', { type: 'number', min: 1 }])(state, act, form)
  return h('section', { class: 'card', 'aria-labelledby': 'pay' }, h('h2', { id: 'pay' }, 'Pay and time'), h('div', { class: 'pair' }, at))
}

function who(state, act, form) {
  const select = (name, label, options) => h('div', { class: 'field' }, h('label', { for: name }, label), h('select', { id: name, value: form[name], onchange: (event) => edit(state, act, { [name]: event.target.value }) }, Object.entries(options).map(([value, text]) => h('option', { value }, text))))
  return h('section', { class: 'card' }, h('details', {}, h('summary', {}, 'Who may work, known answers, and how it is decided'),
    some(['gold', 'Known answers, per cent of the tasks', 'Tasks whose answer you know, in the file’s column gold, check the workers’ care. 0: as many as the file has.', { type: 'number', min: 0, max: 50 }],
      ['qualifications', 'Qualifications', 'Names with commas between; empty for everybody.'],
      ['allow', 'Only these wallets', 'One a line; empty for everybody.', { rows: 3 }], ['deny', 'Not these wallets', 'One a line.', { rows: 3 }],
      ['machines', 'Wallets of models', 'One a line. Models that label beside people are heard as one voice.', { rows: 3 }])(state, act, form),
    select('visibility', 'Who may read the tasks', { public: 'Everybody', assigned: 'Only the workers to whom they are assigned', sealed: 'Only they, and only you see what is decided' }),
    select('seal', 'Who opens the answers', { members: 'Each member of the committee, as they come', threshold: 'A third of the committee together, once a task is closed' }),
    select('rule', 'How the crowd decides', { weighted: 'Weighted by how good each worker is', vote: 'One answer, one vote' }),
    field(state, act, form, 'fee', 'Fee, per cent of the pay', 'It pays for posting and claims.', { type: 'number', min: 0, max: 100, step: 'any' })))
}

// ------------------------------------------------------------------------------------------------------- the right side

function preview(state, act, form) {
  const at = Math.min(state.draft.at ?? 0, Math.max(0, form.tasks.length - 1))
  const task = form.tasks[at]
  const asked = attempt(() => requester.askedOf(form))
  const move = (by) => () => act.draft({ at: at + by, tried: undefined })
  return h('section', { class: 'card stack', id: 'preview', 'aria-labelledby': 'preview-title' },
    h('h2', { id: 'preview-title' }, 'As a worker sees it'),
    form.title && h('h3', {}, form.title),
    task ? taskView(shown(state, act, task.payload), shownBy(form.type)) : h('p', { class: 'muted' }, 'Add tasks to see one here.'),
    asked.value ? widget(asked.value, state.draft.tried ?? blank(asked.value), shown(state, act, task?.payload), (tried) => act.draft({ tried })) : h('p', { class: 'muted' }, asked.why),
    form.tasks.length > 1 && h('div', { class: 'row apart' }, h('button', { 'aria-label': 'Task before', disabled: at === 0, onclick: move(-1) }, '←'), h('span', { class: 'muted small' }, `Task ${at + 1} of ${form.tasks.length.toLocaleString('en')}`), h('button', { 'aria-label': 'Next task', disabled: at >= form.tasks.length - 1, onclick: move(1) }, '→')))
}

/** The payload with its image, once that is here. */
function shown(state, act, payload) {
  if (typeof payload?.image !== 'string') return payload
  state.draft.images ??= new Map()
  const { images } = state.draft
  if (!images.has(payload.image)) {
    images.set(payload.image, payload)
    prepared(payload).then((ready) => (images.set(payload.image, ready), act.show()))
  }
  return { ...images.get(payload.image), ...payload }
}

function attempt(work) {
  try {
    return { value: work() }
  } catch (problem) {
    return { why: problem.message }
  }
}

function price(state, act, form) {
  const { checked } = state.draft
  const made = attempt(() => requester.manifestOf(form, blockTime()))
  const asks = () => act.run('Checking', async () => {
    const manifest = requester.manifestOf(formOf(state), blockTime())
    state.draft.checked = { ...(await requester.check(manifest, formOf(state).tasks)), manifest }
  })
  return h('section', { class: 'card', id: 'price', 'aria-labelledby': 'price-title' }, h('h2', { id: 'price-title' }, 'Price'),
    !checked && [made.why && h('p', { class: 'muted' }, made.why), h('button', { class: 'main', id: 'check-job', disabled: !!state.busy || !!made.why || !form.tasks.length, onclick: asks }, 'Check and price')],
    checked && !checked.ok && [h('p', { class: 'notice bad', id: 'flaws' }, h('span', {}, h('strong', {}, 'This cannot be funded yet. '), checked.flaws.slice(0, 5).map((flaw) => `${flaw.field ?? (flaw.row ? `row ${flaw.row}` : 'job')}: ${flaw.what}`).join('; '))), h('button', { id: 'check-job', disabled: !!state.busy, onclick: asks }, 'Check again')],
    checked?.ok && quoted(state, act, checked))
}

function quoted(state, act, { quote, manifest }) {
  const balance = state.data.balance
  const short = balance !== null && balance !== undefined && balance < BigInt(quote.escrow)
  return [
    h('dl', { class: 'facts', id: 'quote' },
      h('dt', {}, 'Pay'), h('dd', { class: 'number' }, `${money(quote.pay)}`), h('dt', {}, ''), h('dd', { class: 'small muted' }, `${quote.tasks.toLocaleString('en')} × ${quote.answers} answers × (${money(quote.base)} + ${money(quote.bonus)})`),
      h('dt', {}, 'Fee'), h('dd', { class: 'number' }, money(quote.fee)),
      h('dt', {}, h('strong', {}, 'Escrow')), h('dd', { class: 'number' }, h('strong', { id: 'escrow' }, money(quote.escrow)))),
    h('p', { class: 'small muted' }, 'This is what is locked, to the unit. What nobody earns comes back to you.'),
    !state.wallet ? needsWallet(state, act, 'It funds the job and gets back what is not used.')
      : !state.session ? h('button', { class: 'main', id: 'sign-in', disabled: !!state.busy, onclick: () => act.run('Signing in', act.signIn) }, 'Sign in to fund it')
        : [short && h('p', { class: 'notice warn', id: 'too-poor' }, `Your wallet holds ${money(balance)}.`), short && faucetButton(state, act),
          h('button', { class: 'main', id: 'fund', disabled: !!state.busy || short, onclick: () => fund(state, act, manifest, quote) }, `Fund with ${money(quote.escrow)}`)],
  ]
}

function fund(state, act, manifest, quote) {
  return act.run('Funding', async () => {
    const job = await requester.fund(state, manifest, formOf(state).tasks, quote, (what) => act.set({ busy: what }))
    state.keep = true
    act.go(`#/jobs/${job}`)
    return `Job ${job} is open. Its escrow of ${money(quote.escrow)} is locked.`
  })
}
