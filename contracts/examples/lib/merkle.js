// The network's Merkle trees (docs/spec/merkle.md).

import { sha256 } from './device.js'

const hex = (bytes) => `0x${bytes.toString('hex')}`

export class Tree {
  constructor(leaves) {
    const level = leaves.map((leaf) => sha256(Buffer.from([0]), leaf))
    this.levels = [level.length ? level : [Buffer.alloc(32)]]
    while (this.levels.at(-1).length > 1) this.levels.push(above(this.levels.at(-1)))
  }

  get root() { return hex(this.levels.at(-1)[0]) }

  /** The siblings on the way up; a level at which the node moves up alone has none. */
  proof(index) {
    const siblings = this.levels.map((level, height) => level[(index >> height) ^ 1])
    return siblings.filter((sibling) => sibling !== undefined).map(hex)
  }
}

const above = (level) => {
  const next = []
  for (let at = 0; at < level.length; at += 2) {
    const pair = level.slice(at, at + 2)
    next.push(pair.length === 2 ? sha256(Buffer.from([1]), ...pair) : pair[0])
  }
  return next
}
