/**
 * An answer, sealed in this browser: a commitment binds it, an envelope opens it to each committee member and to nobody else.
 * The twin of oracle/protocol/sealing.py. Source: HPKE, RFC 9180, base mode, X25519, HKDF-SHA256, ChaCha20-Poly1305.
 */

import { Chacha20Poly1305, CipherSuite, DhkemX25519HkdfSha256, HkdfSha256 } from '../../vendor/hpke.js'
import { join, keccak, utf8 } from './bytes.js'
import { commitment } from './commitment.js'

const suite = new CipherSuite({ kem: new DhkemX25519HkdfSha256(), kdf: new HkdfSha256(), aead: new Chacha20Poly1305() })

/** {commitment, envelope, sealHash, salt} for members with these X25519 keys (32 bytes each), in committee order. */
export async function seal(sealKeys, job, task, worker, payload) {
  const salt = crypto.getRandomValues(new Uint8Array(32))
  const bound = commitment(job, task, worker, keccak(payload), salt)
  const parts = [Uint8Array.of(1)]
  for (const key of sealKeys) {
    const recipientPublicKey = await suite.kem.deserializePublicKey(key)
    const sender = await suite.createSenderContext({ recipientPublicKey, info: join(utf8('crowdproof.seal'), bound) })
    parts.push(new Uint8Array(sender.enc), new Uint8Array(await sender.seal(join(salt, payload))))
  }
  const envelope = join(...parts)
  return { commitment: bound, envelope, sealHash: keccak(envelope), salt }
}
