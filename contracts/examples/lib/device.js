// A weather station of a test: its key, how it is registered (docs/spec/registry.md) and what it signs (docs/spec/envelope.md).

import { createHash, generateKeyPairSync, sign } from 'node:crypto'
import { solidityPacked } from 'ethers'
import { encode, Tagged } from './cbor.js'

export const sha256 = (...parts) => {
  const hash = createHash('sha256')
  parts.forEach((part) => hash.update(part))
  return hash.digest()
}

const bytes = (hex) => Buffer.from(hex.slice(2), 'hex')

/** The sector of environmental sensing, the key type Ed25519, and the schema of weather. */
export const [SENSING, ED25519, WEATHER] = [1, 1, 1]
/** Fields of the schema of weather, and the number of a field in a row. */
const FIELDS = 7
export const TEMPERATURE = 0

export class Device {
  constructor() {
    const { publicKey, privateKey } = generateKeyPairSync('ed25519')
    this.publicKey = Buffer.from(publicKey.export({ format: 'jwk' }).x, 'base64url')
    this.privateKey = privateKey
    this.id = sha256('cairn/device/v1', Buffer.from([ED25519]), this.publicKey).subarray(0, 16)
    this.hexId = `0x${this.id.toString('hex')}`
  }

  /** The arguments of `register`: the device agrees that `owner` owns it. */
  registration(chainId, owner, { latE7 = 416_895_000, lonE7 = -741_745_000, elevationDm = 20 } = {}) {
    const packed = solidityPacked(
      ['string', 'uint64', 'address', 'uint8', 'uint8', 'bytes', 'int32', 'int32', 'int32'],
      ['cairn/registration/v1', chainId, owner, SENSING, ED25519, this.publicKey, latE7, lonE7, elevationDm],
    )
    const registration = { sector: SENSING, keyType: ED25519, publicKey: this.publicKey, latE7, lonE7, elevationDm }
    return [registration, sign(null, bytes(packed), this.privateKey)]
  }

  /**
   * A signed batch of temperatures (hundredths of a degree), one a minute from `timeMs` on.
   * `anchor` is the genesis hash: the batch was made after the network began.
   */
  envelope(timeMs, temperatures, anchor, firstSeq = 1) {
    const rows = temperatures.map((value, row) => [row * 60_000, value, ...Array(FIELDS - 1).fill(null)])
    const batch = [1, this.id, 0, firstSeq, timeMs, [0, bytes(anchor).subarray(0, 8)], null, WEATHER, rows]
    const headers = encode(new Map([[1, -8]]))
    const payload = encode(batch)
    const signed = encode(['Signature1', headers, Buffer.alloc(0), payload])
    const envelope = encode(new Tagged(18, [headers, new Map(), payload, sign(null, signed, this.privateKey)]))
    return { device: this, envelope, firstSeq, rows: rows.length }
  }
}
