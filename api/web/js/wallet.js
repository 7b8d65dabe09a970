/**
 * The one file that talks to a wallet: found by EIP-6963, asked by EIP-1193. On a local chain there is also a burner: a key of this
 * browser, which signs without asking.
 *
 * Guarantee: nothing is signed or sent but by a call of `Wallet`, each begun by the user's own click; the wallet must be on the
 * deployment's chain.
 */

import { generatePrivateKey, hexToBytes, privateKeyToAccount } from '../vendor/viem.js'
import { Reverted, hex, over, revertReason } from './chain.js'

export class Refused extends Error {
  constructor() {
    super('You declined in your wallet. Nothing was signed or sent.')
  }
}

export class WrongChain extends Error {
  constructor(id) {
    super(`Your wallet is on another network. Switch it to chain ${id}, then try again.`)
  }
}

const BURNER = 'crowdproof.burner'
const LAST = 'crowdproof.wallet'
const BURNER_ICON =
  "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 24 24'%3E%3Ccircle cx='12' cy='12' r='10' fill='%230b5c56'/%3E%3C/svg%3E"

/** Calls `found` with every wallet that announces itself: {info: {name, icon, rdns}, provider}. */
export function discover(found) {
  window.addEventListener('eip6963:announceProvider', ({ detail }) => {
    if (detail?.info?.uuid && typeof detail.provider?.request === 'function') found(detail)
  })
  window.dispatchEvent(new Event('eip6963:requestProvider'))
}

/** A wallet of this browser for a local chain: {info, provider}. */
export function burner(rpc, chainId) {
  return { info: { uuid: 'burner', rdns: 'burner', name: 'Burner wallet', icon: BURNER_ICON }, provider: burnerProvider(rpc, chainId) }
}

function burnerProvider(rpc, chainId) {
  const ask = over(rpc)
  const account = () => {
    let key = localStorage.getItem(BURNER)
    if (!key) localStorage.setItem(BURNER, (key = generatePrivateKey()))
    return privateKeyToAccount(key)
  }
  const own = {
    eth_requestAccounts: async () => [account().address],
    eth_accounts: async () => [account().address],
    eth_chainId: async () => hex(chainId),
    personal_sign: async ([message]) => account().signMessage({ message: { raw: hexToBytes(message) } }),
    eth_signTypedData_v4: async ([, document]) => account().signTypedData(typed(JSON.parse(document))),
    eth_sendTransaction: async ([transaction]) => send(ask, account(), chainId, transaction),
  }
  return { request: ({ method, params = [] }) => (own[method] ? own[method](params) : ask({ method, params })), on: () => {} }
}

function typed({ domain, types, primaryType, message }) {
  const { EIP712Domain: _, ...rest } = types
  return { domain, types: rest, primaryType, message }
}

async function send(ask, account, chainId, { to, data, value = '0x0' }) {
  const from = account.address
  const [nonce, gas, price] = await Promise.all([
    ask({ method: 'eth_getTransactionCount', params: [from, 'pending'] }),
    ask({ method: 'eth_estimateGas', params: [{ from, to, data, value }] }),
    ask({ method: 'eth_gasPrice' }),
  ])
  const raw = await account.signTransaction({
    chainId, to, data, value: BigInt(value), nonce: Number(nonce), gas: (BigInt(gas) * 13n) / 10n,
    maxFeePerGas: BigInt(price) * 2n, maxPriorityFeePerGas: 0n, type: 'eip1559',
  })
  return ask({ method: 'eth_sendRawTransaction', params: [raw] })
}

/** A connected account. */
export class Wallet {
  constructor({ info, provider }, address, deployment) {
    Object.assign(this, { info, provider, address, deployment })
  }

  /** Signs an EIP-712 document as the API or this page gives it. */
  async signTyped(document) {
    await this.requireChain()
    return this.#ask('eth_signTypedData_v4', [this.address, JSON.stringify(document, (_, v) => (typeof v === 'bigint' ? v.toString() : v))])
  }

  /** Signs a text, such as a sign-in. */
  signText(text) {
    const bytes = new TextEncoder().encode(text)
    return this.#ask('personal_sign', [`0x${[...bytes].map((b) => b.toString(16).padStart(2, '0')).join('')}`, this.address])
  }

  /** Sends a transaction and waits until it is in a block; its receipt. Throws Refused, WrongChain or Reverted. */
  async send({ to, data, value = 0n }) {
    await this.requireChain()
    const call = { from: this.address, to, data, value: hex(value) }
    await this.#rehearse(call)
    return this.#mined(await this.#ask('eth_sendTransaction', [call]))
  }

  /** Several calls in one prompt where the wallet can (EIP-5792); null where it cannot. */
  async sendBatch(calls) {
    await this.requireChain()
    const chainId = hex(this.deployment.chain_id)
    let can
    try {
      can = (await this.provider.request({ method: 'wallet_getCapabilities', params: [this.address, [chainId]] }))?.[chainId]
    } catch {
      return null
    }
    if (!['supported', 'ready'].includes(can?.atomic?.status)) return null
    const batch = { version: '2.0.0', from: this.address, chainId, atomicRequired: true, calls: calls.map(({ to, data }) => ({ to, data, value: '0x0' })) }
    const { id } = await this.#ask('wallet_sendCalls', [batch])
    return this.#settled(id)
  }

  /** Asks the wallet to be on the deployment's chain. */
  async requireChain() {
    const wanted = hex(this.deployment.chain_id)
    if (BigInt(await this.#ask('eth_chainId', [])) === BigInt(wanted)) return
    try {
      await this.#ask('wallet_switchEthereumChain', [{ chainId: wanted }])
    } catch (problem) {
      if (problem instanceof Refused) throw problem
    }
    if (BigInt(await this.#ask('eth_chainId', [])) !== BigInt(wanted)) throw new WrongChain(this.deployment.chain_id)
  }

  async #rehearse(call) {
    try {
      await this.provider.request({ method: 'eth_call', params: [call, 'latest'] })
    } catch (problem) {
      const reason = revertReason(problem, this.deployment)
      if (reason) throw new Reverted(reason)
      if (/insufficient funds/i.test(problem?.message ?? '')) throw new Error('The wallet has no coin to pay for the transaction.')
    }
  }

  async #mined(hash) {
    for (;;) {
      const receipt = await this.provider.request({ method: 'eth_getTransactionReceipt', params: [hash] })
      if (receipt && BigInt(receipt.status) === 0n) throw new Reverted('the transaction failed')
      if (receipt) return receipt
      await new Promise((done) => setTimeout(done, 400))
    }
  }

  async #settled(id) {
    for (;;) {
      const { status, receipts } = await this.provider.request({ method: 'wallet_getCallsStatus', params: [id] })
      if (status >= 400) throw new Reverted('the batch failed')
      if (status >= 200) return receipts[receipts.length - 1]
      await new Promise((done) => setTimeout(done, 400))
    }
  }

  async #ask(method, params) {
    try {
      return await this.provider.request({ method, params })
    } catch (problem) {
      if (problem?.code === 4001 || problem?.code === 5750) throw new Refused()
      const reason = revertReason(problem, this.deployment)
      throw reason ? new Reverted(reason) : problem
    }
  }
}

/** Opens the wallet's own dialogue and gives the account; remembered for the next visit. */
export async function connect(found, deployment, changed) {
  try {
    const [address] = await found.provider.request({ method: 'eth_requestAccounts', params: [] })
    localStorage.setItem(LAST, found.info.rdns)
    return follow(new Wallet(found, address, deployment), changed)
  } catch (problem) {
    throw problem?.code === 4001 ? new Refused() : problem
  }
}

/** The wallet of the last visit, if it still shows its account without a prompt; else null. */
export async function resume(found, deployment, changed) {
  if (localStorage.getItem(LAST) !== found.info.rdns) return null
  try {
    const [address] = await found.provider.request({ method: 'eth_accounts', params: [] })
    return address ? follow(new Wallet(found, address, deployment), changed) : null
  } catch {
    return null
  }
}

export function forget() {
  localStorage.removeItem(LAST)
}

function follow(wallet, changed) {
  wallet.provider.on?.('accountsChanged', ([address]) => changed(address ?? null))
  wallet.provider.on?.('chainChanged', () => changed(wallet.address))
  return wallet
}
