/** Keccak-256 and the few encodings that all commitments are made of: the twin of oracle/protocol/hashing.py. Bytes are Uint8Array. */

import { keccak256 } from '../../vendor/viem.js'

export const ZERO = new Uint8Array(32)
const text = new TextEncoder()

export const keccak = (data) => keccak256(data, 'bytes')
export const utf8 = (string) => text.encode(string)

export function fromHex(hex) {
  if (!/^0x([0-9a-f]{2})*$/i.test(hex)) throw new RangeError('expected 0x and hex digits')
  return Uint8Array.from(hex.slice(2).match(/../g) ?? [], (pair) => parseInt(pair, 16))
}

export function toHex(bytes) {
  return `0x${Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')}`
}

export function join(...parts) {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    out.set(part, at)
    at += part.length
  }
  return out
}

export function equal(one, two) {
  return one.length === two.length && one.every((byte, at) => byte === two[at])
}

/** Big-endian, of so many bytes. */
export function integer(value, size) {
  let rest = BigInt(value)
  if (rest < 0n || rest >= 1n << BigInt(8 * size)) throw new RangeError(`${value} is no uint${8 * size}`)
  const out = new Uint8Array(size)
  for (let at = size - 1; at >= 0; at--, rest >>= 8n) out[at] = Number(rest & 255n)
  return out
}

export function toInteger(bytes) {
  return bytes.reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n)
}

/** One ABI word: an unsigned integer, an address (20 bytes) or 32 bytes as they are. */
export function word(value) {
  if (typeof value === 'number' || typeof value === 'bigint') return integer(value, 32)
  if (value.length !== 20 && value.length !== 32) throw new RangeError(`a word has 20 or 32 bytes, not ${value.length}`)
  return join(new Uint8Array(32 - value.length), value)
}

export const words = (...values) => join(...values.map(word))

const tags = new Map()

/** The domain separator of one kind of commitment. */
export function tag(name) {
  if (!tags.has(name)) tags.set(name, keccak(utf8(`crowdproof.${name}`)))
  return tags.get(name)
}

export const tagged = (name, ...values) => keccak(words(tag(name), ...values))
export const leafOf = (name, ...values) => keccak(tagged(name, ...values))

/** Big-endian int32, one after the other. Throws RangeError for a part of one. */
export function int32s(bytes) {
  if (bytes.length % 4) throw new RangeError(`${bytes.length} bytes are not a row of int32`)
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  return Array.from({ length: bytes.length / 4 }, (_, at) => view.getInt32(4 * at))
}
