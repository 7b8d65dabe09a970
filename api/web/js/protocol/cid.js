/**
 * Names of blocks (CIDs) and dag-cbor, as strict as oracle/protocol/cids.py: CIDv1, sha2-256, lower-case base32, one encoding a value.
 *
 * Integers are BigInt, strings of bytes Uint8Array, maps Map, links `Link`. Everything malformed throws `Malformed`.
 */

import { equal, join } from './bytes.js'

export const CODECS = { raw: 0x55, dagPb: 0x70, dagCbor: 0x71 }
const LIMIT = 1 << 20
const DEPTH = 32
const LETTERS = 'abcdefghijklmnopqrstuvwxyz234567'

export class Malformed extends Error {}

export class Link {
  constructor(cid) {
    this.cid = cid
  }
}

/** The CID of a sha2-256 digest. */
export function fromDigest(codec, digest) {
  return `b${base32(join(Uint8Array.of(1, codec, 0x12, 0x20), digest))}`
}

/** {codec, digest} of a CID. */
export function parse(cid) {
  if (typeof cid !== 'string' || !/^b[a-z2-7]{57}[aeimquy4]$/.test(cid)) throw new Malformed('not a CIDv1 in lower-case base32')
  return binary(unbase32(cid.slice(1)))
}

export async function sha256(bytes) {
  return new Uint8Array(await crypto.subtle.digest('SHA-256', bytes))
}

export async function cidOf(bytes, codec) {
  return fromDigest(codec, await sha256(bytes))
}

/** The bytes, if they are those that `cid` names. */
export async function checked(cid, bytes) {
  if (bytes.length > LIMIT) throw new Malformed(`a block of ${bytes.length} bytes is over the limit`)
  if (!equal(parse(cid).digest, await sha256(bytes))) throw new Malformed(`the store gave other bytes than ${cid} names`)
  return bytes
}

function binary(bytes) {
  const [version, codec, hash, size] = bytes
  if (bytes.length !== 36 || version !== 1 || hash !== 0x12 || size !== 0x20) throw new Malformed('not CIDv1 with sha2-256')
  if (!Object.values(CODECS).includes(codec)) throw new Malformed(`codec ${codec} is none of ours`)
  return { codec, digest: bytes.slice(4) }
}

function base32(bytes) {
  let out = ''
  let held = 0
  let bits = 0
  for (const byte of bytes) {
    held = (held << 8) | byte
    for (bits += 8; bits >= 5; bits -= 5) out += LETTERS[(held >> (bits - 5)) & 31]
    held &= 31
  }
  return bits ? out + LETTERS[(held << (5 - bits)) & 31] : out
}

function unbase32(text) {
  const out = []
  let held = 0
  let bits = 0
  for (const letter of text) {
    held = (held << 5) | LETTERS.indexOf(letter)
    bits += 5
    if (bits >= 8) {
      out.push((held >> (bits - 8)) & 255)
      bits -= 8
    }
    held &= 255
  }
  return Uint8Array.from(out)
}

/** The value of a dag-cbor block. */
export function decode(block) {
  if (block.length > LIMIT) throw new Malformed('a block over the limit')
  const [value, end] = item(block, 0, 0)
  if (end !== block.length) throw new Malformed('bytes after the value')
  return value
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

function item(block, at, depth) {
  const [major, argument, after] = head(block, at)
  switch (major) {
    case 0:
      return [argument, after]
    case 1:
      return [-1n - argument, after]
    case 2:
    case 3: {
      const end = after + Number(argument)
      if (end > block.length) throw new Malformed('the block ends inside an item')
      const bytes = block.slice(after, end)
      return [major === 2 ? bytes : string(bytes), end]
    }
    case 4:
      return list(block, after, argument, depth + 1)
    case 5:
      return map(block, after, argument, depth + 1)
    case 6:
      return link(block, at, argument, after)
    default:
      return simple(block, at, argument, after)
  }
}

function head(block, at) {
  if (at >= block.length) throw new Malformed('the block ends before its value')
  const major = block[at] >> 5
  const info = block[at] & 31
  if (info < 24) return [major, BigInt(info), at + 1]
  if (info > 27) throw new Malformed('an item without a definite length')
  const size = 1 << (info - 24)
  if (at + 1 + size > block.length) throw new Malformed('the block ends inside a head')
  let value = 0n
  for (let i = 0; i < size; i++) value = (value << 8n) | BigInt(block[at + 1 + i])
  const least = [24n, 256n, 65536n, 4294967296n][info - 24]
  if (major !== 7 && value < least) throw new Malformed('a number that is not written as short as can be')
  return [major, value, at + 1 + size]
}

function string(bytes) {
  try {
    return utf8.decode(bytes)
  } catch {
    throw new Malformed('a text that is not UTF-8')
  }
}

function bounded(block, at, items, depth) {
  if (depth > DEPTH) throw new Malformed(`lists and maps nest over ${DEPTH} deep`)
  if (items > BigInt(block.length - at)) throw new Malformed('a list or map claims more items than there are bytes')
}

function list(block, at, size, depth) {
  bounded(block, at, size, depth)
  const out = []
  for (let i = 0n; i < size; i++) {
    const [value, after] = item(block, at, depth)
    out.push(value)
    at = after
  }
  return [out, at]
}

function map(block, at, size, depth) {
  bounded(block, at, 2n * size, depth)
  const out = new Map()
  let last = null
  for (let i = 0n; i < size; i++) {
    const start = at
    const [key, after] = item(block, at, depth)
    if (typeof key !== 'string') throw new Malformed('a key that is no text')
    const bytes = block.slice(start, after)
    if (last && !before(last, bytes)) throw new Malformed('keys out of order, or one twice')
    const [value, end] = item(block, after, depth)
    out.set(key, value)
    last = bytes
    at = end
  }
  return [out, at]
}

/** dag-cbor orders keys by length, then by bytes; their heads do the first. */
function before(one, two) {
  if (one.length !== two.length) return one.length < two.length
  const at = one.findIndex((byte, i) => byte !== two[i])
  return at >= 0 && one[at] < two[at]
}

function link(block, at, tag, after) {
  const [major, size, start] = head(block, after)
  if (tag !== 42n || major !== 2 || size !== 37n || block[start] !== 0) throw new Malformed('a tag that is not a link to a block')
  const bytes = block.slice(start + 1, start + 37)
  const { codec, digest } = binary(bytes)
  return [new Link(fromDigest(codec, digest)), start + 37]
}

function simple(block, at, argument, after) {
  const info = block[at] & 31
  if (info === 20) return [false, after]
  if (info === 21) return [true, after]
  if (info === 22) return [null, after]
  if (info !== 27) throw new Malformed('a simple value that dag-cbor does not have')
  const value = new DataView(block.buffer, block.byteOffset + at + 1, 8).getFloat64(0)
  if (!Number.isFinite(value)) throw new Malformed('a number that is not finite')
  return [value, after]
}
