/** Positional Merkle trees, the twin of oracle/protocol/trees.py: node(l, r) = keccak(l || r); an odd last node is paired with zeros. */

import { ZERO, equal, join, keccak } from './bytes.js'

/** The root of leaves (32 bytes each); of none 32 zero bytes, of one the leaf. */
export function root(leaves) {
  let level = leaves
  while (level.length > 1) {
    const above = []
    for (let at = 0; at < level.length; at += 2) above.push(keccak(join(level[at], level[at + 1] ?? ZERO)))
    level = above
  }
  return level[0] ?? ZERO
}

/** The steps of every proof in a tree of that size. */
export function depth(size) {
  return size > 1 ? 32 - Math.clz32(size - 1) : 0
}

/** All siblings of the leaf at `index`, bottom up. */
export function proof(leaves, index) {
  const steps = []
  let level = leaves
  for (let at = index; level.length > 1; at >>= 1) {
    steps.push(level[at ^ 1] ?? ZERO)
    const above = []
    for (let i = 0; i < level.length; i += 2) above.push(keccak(join(level[i], level[i + 1] ?? ZERO)))
    level = above
  }
  return steps
}

/** Whether `leaf` stands at `index` in the tree of `size` leaves with that root. */
export function verify(wanted, size, index, leaf, steps) {
  if (!(index >= 0 && index < size) || steps.length !== depth(size)) return false
  if ([leaf, ...steps].some((hash) => hash.length !== 32)) return false
  let node = leaf
  steps.forEach((step, bit) => {
    node = (index >> bit) & 1 ? keccak(join(step, node)) : keccak(join(node, step))
  })
  return equal(node, wanted)
}
