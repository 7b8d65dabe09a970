/**
 * The chain, read without an account: JSON-RPC, calls and events by the ABIs of the deployment. Where it is asked: the wallet's own
 * endpoint if one is connected, else the one that the reader chose, else the local chain's.
 */

import { decodeEventLog, decodeFunctionResult, decodeErrorResult, encodeFunctionData } from '../vendor/viem.js'

export class ChainUnreachable extends Error {
  constructor(why) {
    super(`The chain's endpoint does not answer: ${why}`)
  }
}

/** Raised for what the chain would refuse; `reason` is the contract's own error name. */
export class Reverted extends Error {
  constructor(reason) {
    super(`The contract refuses this: ${WORDS[reason] ?? reason}`)
    this.reason = reason
  }
}

const WORDS = {
  MarketJobOver: 'the job is past its deadline.',
  MarketNothingToClaim: 'everything that is final has been claimed already.',
  MarketRefundClosed: 'the refund opens three windows after the deadline.',
  MarketNothingToRefund: 'nothing is left to refund.',
  MarketIdentityMismatch: 'only the requester can do this.',
  ERC20InsufficientBalance: 'the wallet holds less than this costs.',
  WorkersAlreadyRegistered: 'this wallet is registered already.',
  DisputesWindowOver: 'the time to contest is over.',
}

/** A reader of one chain. `request` is EIP-1193's. */
export function reader(request, deployment) {
  const abi = deployment.abis
  const call = async (contract, address, name, args = []) => {
    const data = encodeFunctionData({ abi: abi[contract], functionName: name, args })
    const result = await request({ method: 'eth_call', params: [{ to: address, data }, 'latest'] })
    return decodeFunctionResult({ abi: abi[contract], functionName: name, data: result })
  }
  return {
    request,
    call,
    market: (name, ...args) => call('Market', deployment.market, name, args),
    token: (name, ...args) => call('DemoToken', deployment.token, name, args),
    workers: (name, ...args) => call('Workers', deployment.workers, name, args),
    committee: (name, ...args) => call('Committee', deployment.committee.address, name, args),
    disputes: (name, ...args) => call('Disputes', deployment.disputes, name, args),
    transaction: (hash) => request({ method: 'eth_getTransactionByHash', params: [hash] }),
    now: async () => Number((await request({ method: 'eth_getBlockByNumber', params: ['latest', false] })).timestamp),
    events: (from = deployment.block) => events(request, deployment, from),
  }
}

const SPAN = 5_000 // blocks in one question

/** Every event of the deployment's contracts from a block on, oldest first: {name, contract, args, transaction, block, index}. */
async function events(request, deployment, from) {
  const contracts = contractsOf(deployment)
  const newest = Number(await request({ method: 'eth_blockNumber', params: [] }))
  const found = []
  for (let first = from; first <= newest; first += SPAN) {
    const last = Math.min(first + SPAN - 1, newest)
    const filter = { address: [...contracts.keys()], fromBlock: hex(first), toBlock: hex(last) }
    for (const log of await request({ method: 'eth_getLogs', params: [filter] })) found.push(decoded(log, contracts, deployment))
  }
  return { events: found.filter(Boolean), newest }
}

function contractsOf(deployment) {
  const named = {
    Market: deployment.market, Workers: deployment.workers, Committee: deployment.committee.address,
    Referee: deployment.referee, Disputes: deployment.disputes, Hatch: deployment.hatch,
  }
  return new Map(Object.entries(named).filter(([, a]) => !/^0x0+$/.test(a)).map(([name, a]) => [a.toLowerCase(), name]))
}

function decoded(log, contracts, deployment) {
  const contract = contracts.get(log.address.toLowerCase())
  try {
    const { eventName, args } = decodeEventLog({ abi: deployment.abis[contract], data: log.data, topics: log.topics })
    return {
      name: eventName, contract, args, transaction: log.transactionHash,
      block: Number(log.blockNumber), index: Number(log.logIndex),
    }
  } catch {
    return { name: 'Unknown', contract, args: {}, transaction: log.transactionHash, block: Number(log.blockNumber), index: Number(log.logIndex) }
  }
}

/** JSON-RPC over HTTP as an EIP-1193 `request`. */
export function over(url) {
  let id = 0
  return async ({ method, params = [] }) => {
    let answer
    try {
      const body = JSON.stringify({ jsonrpc: '2.0', id: ++id, method, params })
      const response = await fetch(url, { method: 'POST', headers: { 'content-type': 'application/json' }, body })
      answer = await response.json()
    } catch (problem) {
      throw new ChainUnreachable(problem.message)
    }
    if (answer.error) throw Object.assign(new Error(answer.error.message), answer.error)
    return answer.result
  }
}

/** The name of the contract's error in what a node says about a call that reverts, or ''. */
export function revertReason(problem, deployment) {
  const data = [problem?.data, problem?.data?.data, problem?.error?.data, problem?.cause?.data].find((d) => /^0x[0-9a-f]{8}/i.test(d))
  if (!data) return ''
  for (const abi of Object.values(deployment.abis)) {
    try {
      return decodeErrorResult({ abi, data }).errorName
    } catch {
      // of another contract
    }
  }
  return ''
}

export const hex = (number) => `0x${BigInt(number).toString(16)}`
