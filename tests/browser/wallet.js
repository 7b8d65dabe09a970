/** A wallet for tests: EIP-6963 over one of Anvil's unlocked accounts. Tests set window.walletRefuses, walletChain and walletStays. */
([rpc, account]) => {
  const ask = async (method, params = []) => {
    const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method, params })
    const { result, error } = await (await fetch(rpc, { method: 'POST', headers: { 'content-type': 'application/json' }, body })).json()
    if (error) throw error
    return result
  }
  const own = {
    eth_requestAccounts: () => [account], eth_accounts: () => [account], eth_chainId: () => window.walletChain ?? ask('eth_chainId'),
    wallet_switchEthereumChain: () => {
      if (window.walletStays) throw { code: 4902, message: 'unknown chain' }
      window.walletChain = undefined
    },
  }
  const request = async ({ method, params }) => {
    if (window.walletRefuses && /sign|send/.test(method)) throw { code: 4001, message: 'User rejected the request.' }
    window.walletAsked = [...(window.walletAsked ?? []), method]
    return own[method] ? own[method]() : ask(method, params)
  }
  const icon = "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg'/%3E"
  const info = { uuid: 'f0e1d2c3-0000-4000-8000-000000000001', name: 'Test wallet', icon, rdns: 'org.example.test' }
  const detail = Object.freeze({ info, provider: { request, on: () => {} } })
  addEventListener('eip6963:requestProvider', () => dispatchEvent(new CustomEvent('eip6963:announceProvider', { detail })))
}
