/**
 * The page: a route, one state, one view. A view is a pure function of the state; what a user does runs as an action, which changes
 * the state and is looked at again. While the server does not answer, what is shown stays, says so, and goes on when it is back.
 */

import { Problem, Unreachable, get, post } from './api.js'
import { ChainUnreachable, over, reader } from './chain.js'
import { patch } from './dom.js'
import { footer, header, notices, trouble } from './views/frame.js'
import * as wallets from './wallet.js'

const EVERY_MS = 2_000
const KINDS = ['WorkerRegistered', 'JobOpened', 'JobFunded', 'JobClosed', 'JobRefunded', 'EpochPosted', 'EpochFinalised', 'EpochStruck', 'Claimed'] // what is looked at again at once
const ROUTES = [
  [/^$/, 'home'],
  [/^work$/, 'work'],
  [/^work\/(\d+)$/, 'offer', 'job'],
  [/^work\/(\d+)\/practice$/, 'practice', 'job'],
  [/^work\/(\d+)\/(\d+)$/, 'answer', 'job', 'task'],
  [/^earnings$/, 'earnings'],
  [/^jobs$/, 'jobs'],
  [/^jobs\/new$/, 'create'],
  [/^jobs\/(\d+)$/, 'job', 'job'],
  [/^jobs\/(\d+)\/review$/, 'review', 'job'],
  [/^audit$/, 'timeline'],
  [/^audit\/epochs\/(\d+)$/, 'epoch', 'epoch'],
  [/^audit\/verdicts\/(\d+)\/(\d+)$/, 'verdict', 'job', 'task'],
  [/^health$/, 'health'],
]

export const state = {
  route: { name: '', params: {} }, deployment: null, config: {}, found: [], wallet: null, worker: null, session: null,
  online: true, data: {}, draft: {}, notice: null, busy: '', failure: null, choosing: false, now: 0, clock: 0,
}

let page = null
let again = 0
let turn = 0

/** Shows the state as it is. */
export function show() {
  patch(document.getElementById('top'), header(state, actions))
  patch(document.getElementById('notices'), notices(state, actions))
  patch(document.getElementById('main'), body())
  patch(document.getElementById('foot'), footer(state))
}

function body() {
  if (!state.deployment || !page || page.name !== state.route.name) return trouble(state, actions)
  if (state.failure) return trouble(state, actions)
  return page.view(state, actions)
}

/** Block time now: as of the last look, moved on by this computer's own clock. */
export function blockTime() {
  return state.now ? state.now + Math.floor((performance.now() - state.clock) / 1000) : Math.floor(Date.now() / 1000)
}

export const actions = {
  show,
  /** Runs what a user began; says what went wrong in words. */
  async run(what, work) {
    if (state.busy) return
    state.busy = what
    state.notice = null
    show()
    try {
      const said = await work()
      state.notice = typeof said === 'string' ? { kind: 'good', text: said } : null
    } catch (problem) {
      state.notice = { kind: 'bad', text: words(problem) }
      if (problem instanceof Problem && problem.status === 401) state.session = null
    } finally {
      state.busy = ''
      show()
      await refresh()
    }
  },
  set(change) {
    Object.assign(state, change)
    show()
  },
  draft(change) {
    Object.assign(state.draft, change)
    show()
  },
  refresh: () => refresh(),
  go(hash) {
    location.hash = hash
  },
  choose() {
    state.choosing = true
    show()
    document.querySelector('dialog')?.showModal?.()
  },
  async connect(found) {
    state.choosing = false
    await actions.run('Connecting', async () => {
      state.wallet = await wallets.connect(found, state.deployment, accountChanged)
      await who()
    })
  },
  async disconnect() {
    wallets.forget()
    if (state.session) await post('/auth/sign-out').catch(() => {})
    Object.assign(state, { wallet: null, worker: null, session: null, notice: null, data: {}, draft: {} })
    refresh()
  },
  chain: () => reader(asker(), state.deployment),
  async now() {
    const seen = await actions.chain().now()
    state.clock = performance.now()
    return seen
  },
  /** Whether what is private may be asked for. */
  private: async () => !!state.session,
  async signIn() {
    const { address } = state.wallet
    const { message } = await get('/auth/nonce', { address })
    if (!message.startsWith(`${location.host} wants you to sign in`) || !message.toLowerCase().includes(`\n${address.toLowerCase()}\n`)) throw new Error('The server’s message is not for this page and wallet. Nothing was signed.')
    const signature = await state.wallet.signText(message)
    state.session = await post('/auth/sign-in', { message, signature })
  },
}

function asker() {
  const chosen = localStorage.getItem('crowdproof.rpc')
  if (chosen) return over(chosen)
  if (state.config.rpc) return over(state.config.rpc)
  if (state.wallet) return state.wallet.provider.request
  throw new ChainUnreachable('choose one: connect a wallet, or name an endpoint under Audit')
}

export function words(problem) {
  if (problem instanceof Problem || problem instanceof Unreachable) return problem.message
  return problem?.shortMessage ?? problem?.message ?? String(problem)
}

async function accountChanged(address) {
  if (!address) return actions.disconnect()
  if (state.wallet) state.wallet.address = address
  Object.assign(state, { worker: null, session: null, data: {}, draft: {} })
  await refresh()
}

/** Who the connected wallet is: a registered worker, or nobody yet; and whether it is the one that is signed in. */
async function who() {
  if (!state.wallet) return
  if (state.session === null) {
    const found = await get('/auth/session')
    const own = state.wallet && found.wallet?.toLowerCase() === state.wallet.address.toLowerCase()
    if (state.session === null) state.session = own ? found : false // who signed in meanwhile stays so
  }
  if (!state.wallet) return
  try {
    state.worker = await get(`/workers/${state.wallet.address}`)
  } catch (problem) {
    if (!(problem instanceof Problem) || problem.status !== 404) throw problem
    state.worker = null
  }
}

async function enter() {
  const hash = location.hash.replace(/^#\/?/, '').replace(/\/$/, '')
  const [path] = hash.split('?')
  const match = ROUTES.map(([pattern, name, ...names]) => [pattern.exec(path), name, names]).find(([found]) => found)
  const [found, name, names] = match ?? [[], 'lost', []]
  const params = Object.fromEntries(names.map((key, at) => [key, Number(found[at + 1])]))
  const query = Object.fromEntries(new URLSearchParams(hash.split('?')[1] ?? ''))
  const moved = name !== state.route.name || JSON.stringify(params) !== JSON.stringify(state.route.params)
  state.route = { name, params, query }
  if (moved) Object.assign(state, { choosing: false, data: {}, draft: {}, failure: null, notice: state.keep ? state.notice : null, keep: false })
  const mine = ++turn
  const { default: view } = await import(`./views/${name}.js`)
  if (mine !== turn) return
  page = { name, ...view }
  document.title = `${view.title(state)} · crowdproof`
  show()
  await refresh()
  if (moved && mine === turn) {
    document.getElementById('main').focus({ preventScroll: true })
    window.scrollTo(0, 0)
  }
}

/** Looks at the server again. */
async function refresh() {
  clearTimeout(again)
  const [looked, mine] = [page, turn] // of a page that was left meanwhile nothing is kept
  try {
    if (!state.deployment) await begin()
    await who()
    const data = await looked?.load?.(state, actions)
    if (looked === page && mine === turn) Object.assign(state, { online: true, failure: null, data: data ? { ...state.data, ...data } : state.data })
  } catch (problem) {
    if (looked !== page || mine !== turn) return
    if (problem instanceof Unreachable) state.online = false
    else state.failure = problem
  }
  show()
  clearTimeout(again)
  again = setTimeout(() => (document.hidden ? (again = setTimeout(refresh, EVERY_MS)) : refresh()), page?.every ?? EVERY_MS)
}

async function begin() {
  const [deployment, config] = await Promise.all([get('/deployment'), get('/page')])
  Object.assign(state, { deployment, config })
  const events = new EventSource('/events')
  events.onmessage = () => refresh()
  for (const kind of KINDS) events.addEventListener(kind, () => refresh())
  if (config.rpc) await add(wallets.burner(config.rpc, deployment.chain_id))
  wallets.discover(add)
}

async function add(found) {
  if (state.found.some((one) => one.info.uuid === found.info.uuid)) return
  state.found = [...state.found, found]
  const wallet = state.wallet ?? (await wallets.resume(found, state.deployment, accountChanged))
  if (wallet && !state.wallet) {
    state.wallet = wallet
    refresh()
  } else show()
}

window.addEventListener('hashchange', enter)
document.addEventListener('keydown', (event) => page?.key?.(event, state, actions))
document.addEventListener('visibilitychange', () => document.hidden || refresh())
setInterval(() => page?.ticks && show(), 1000)
enter()
