/**
 * An answer, sealed in this browser: a commitment binds it, an envelope opens it to the committee and to nobody else.
 * The twin of oracle/protocol/sealing.py. Sources: HPKE, RFC 9180, base mode, X25519, HKDF-SHA256, ChaCha20-Poly1305;
 * a key split among the members: Shamir 1979, https://doi.org/10.1145/359168.359176, modulo 2^521 - 1.
 */

import { Chacha20Poly1305, CipherSuite, DhkemX25519HkdfSha256, HkdfSha256 } from '../../vendor/hpke.js'
import { integer, join, keccak, tagged, toInteger, utf8 } from './bytes.js'
import { commitment } from './commitment.js'

const aead = new Chacha20Poly1305()
const suite = new CipherSuite({ kem: new DhkemX25519HkdfSha256(), kdf: new HkdfSha256(), aead })
const PRIME = (1n << 521n) - 1n
const SHARE = 66 // bytes
const [MEMBERS, THRESHOLD] = [Uint8Array.of(1), Uint8Array.of(2)]

const random = (size) => crypto.getRandomValues(new Uint8Array(size))

/** {commitment, envelope, sealHash, salt} for members with these X25519 keys (32 bytes each), in committee order.
 *  `scheme`: whether each opens it alone (members), or f+1 of 3f+1 together (threshold). */
export async function seal(sealKeys, job, task, worker, payload, scheme = 'members') {
  const salt = random(32)
  const bound = commitment(job, task, worker, keccak(payload), salt)
  const make = scheme === 'threshold' ? toSome : toEach
  const envelope = await make(sealKeys, bound, join(salt, payload))
  return { commitment: bound, envelope, sealHash: keccak(envelope), salt }
}

async function toEach(sealKeys, bound, plain) {
  const parts = [MEMBERS]
  for (const key of sealKeys) parts.push(await toOne(key, join(utf8('seal'), bound), plain))
  return join(...parts)
}

async function toSome(sealKeys, bound, plain) {
  const secret = random(32)
  const shares = split(secret, Math.floor((sealKeys.length - 1) / 3) + 1, sealKeys.length)
  const hashes = shares.map((share, member) => tagged('share', bound, member, keccak(share)))
  const parts = []
  for (const [member, key] of sealKeys.entries()) parts.push(await toOne(key, join(utf8('share'), bound), shares[member]))
  const body = await aead.createEncryptionContext(secret).seal(new Uint8Array(12), plain, bound) // a key is used once
  return join(THRESHOLD, ...hashes, ...parts, new Uint8Array(body))
}

async function toOne(key, about, plain) {
  const recipientPublicKey = await suite.kem.deserializePublicKey(key)
  const sender = await suite.createSenderContext({ recipientPublicKey, info: join(utf8('crowdproof.'), about) })
  return join(new Uint8Array(sender.enc), new Uint8Array(await sender.seal(plain)))
}

/** A share for each member; any `threshold` of them make the secret. */
function split(secret, threshold, members) {
  const line = [toInteger(secret)]
  while (line.length < threshold) line.push(toInteger(random(SHARE + 8)) % PRIME) // 8 bytes more: even, but for 2^-71
  return Array.from({ length: members }, (_, member) => {
    const at = BigInt(member + 1)
    return integer(line.reduceRight((value, factor) => (value * at + factor) % PRIME, 0n), SHARE)
  })
}
