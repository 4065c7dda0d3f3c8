// Deterministic CBOR (RFC 8949 §4.2), as far as devices and validators use it: integers, bytes, text, lists, null and tags.

export class Tagged {
  constructor(tag, value) { Object.assign(this, { tag, value }) }
}

const head = (major, number) => {
  const n = BigInt(number)
  const first = major << 5
  if (n < 24n) return Buffer.from([first | Number(n)])
  const [info, size] = n < 1n << 8n ? [24, 1] : n < 1n << 16n ? [25, 2] : n < 1n << 32n ? [26, 4] : [27, 8]
  const bytes = Buffer.from(n.toString(16).padStart(2 * size, '0'), 'hex')
  return Buffer.concat([Buffer.from([first | info]), bytes])
}

export const encode = (value) => {
  if (value === null) return Buffer.from([0xf6])
  if (typeof value === 'string') return Buffer.concat([head(3, Buffer.byteLength(value)), Buffer.from(value)])
  if (value instanceof Uint8Array) return Buffer.concat([head(2, value.length), value])
  if (Array.isArray(value)) return Buffer.concat([head(4, value.length), ...value.map(encode)])
  if (value instanceof Map) return Buffer.concat([head(5, value.size), ...[...value].flat().map(encode)])
  if (value instanceof Tagged) return Buffer.concat([head(6, value.tag), encode(value.value)])
  const n = BigInt(value)
  return n < 0n ? head(1, -1n - n) : head(0, n)
}
