/** What is signed (EIP-712), the twin of oracle/protocol/messages.py: message, domain -> 32-byte digest, or who signed it. */

import { recoverAddress } from '../../vendor/viem.js'
import { fromHex, join, keccak, toHex, toInteger, utf8, words } from './bytes.js'

const DOMAIN = 'EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)'
export const TYPES = {
  Assignment: 'Assignment(uint32 job,bytes32 terms,uint32 task,uint32 worker,uint64 expiry)',
  Answer: 'Answer(uint32 job,bytes32 terms,uint32 task,uint32 worker,bytes32 commitment,bytes32 sealHash)',
  Receipt: 'Receipt(bytes32 root,uint32 size)',
  Register: 'Register(address wallet,address key,uint16 number,uint64 validUntil)',
  Claim: 'Claim(uint32 worker,uint64 cumulative,uint64 validUntil)',
  Header:
    'Header(uint32 epoch,bytes32 previous,uint64 validUntil,bytes32 configuration,bytes32 balances,uint32 balancesSize,' +
    'bytes32 weights,uint32 weightsSize,bytes32 verdicts,uint32 verdictsSize,bytes32 assignments,uint32 assignmentsSize,' +
    'bytes32 debits,uint64 total,bytes32 content,bytes32 model)',
  Change: 'Change(uint32 number,bytes32 committee,uint64 validUntil)',
}
const HALF_ORDER = 0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0n

const fieldsOf = (kind) => TYPES[kind].slice(kind.length + 1, -1).split(',').map((part) => part.split(' '))

/** The 32 bytes that are signed. `message`: field -> number, BigInt or 0x hex. */
export function digest(chainId, contract, kind, message) {
  const separator = keccak(words(keccak(utf8(DOMAIN)), keccak(utf8('crowdproof')), keccak(utf8('0')), chainId, fromHex(contract)))
  const values = fieldsOf(kind).map(([type, name]) => (/^uint/.test(type) ? BigInt(message[name]) : fromHex(message[name])))
  const struct = keccak(words(keccak(utf8(TYPES[kind])), ...values))
  return keccak(join(Uint8Array.of(0x19, 1), separator, struct))
}

/** The same as a document for `eth_signTypedData_v4`. */
export function typedData(chainId, contract, kind, message) {
  const named = (pairs) => pairs.map(([type, name]) => ({ type, name }))
  const domain = [['string', 'name'], ['string', 'version'], ['uint256', 'chainId'], ['address', 'verifyingContract']]
  return {
    types: { EIP712Domain: named(domain), [kind]: named(fieldsOf(kind)) },
    primaryType: kind,
    domain: { name: 'crowdproof', version: '0', chainId, verifyingContract: contract },
    message,
  }
}

/** Who signed a digest (lower case), or null for what is no signature here: 65 bytes, v of 27 or 28, low s. */
export async function signer(hash, signature) {
  if (signature.length !== 65 || (signature[64] !== 27 && signature[64] !== 28)) return null
  if (toInteger(signature.slice(32, 64)) > HALF_ORDER) return null
  try {
    return (await recoverAddress({ hash: toHex(hash), signature: toHex(signature) })).toLowerCase()
  } catch {
    return null
  }
}
