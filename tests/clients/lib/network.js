// The network under test, from the environment:
//   CAIRN_RPC       its JSON-RPC, e.g. http://127.0.0.1:8545
//   CAIRN_KEY       hex secret of an account with stones, or
//   CAIRN_KEY_FILE  a key file of `cairn` that holds it

import { readFileSync } from 'node:fs'
import { createPublicClient, createWalletClient, defineChain, http, parseAbi } from 'viem'
import { privateKeyToAccount } from 'viem/accounts'

const needed = (name) => {
  const value = process.env[name]
  if (!value) throw new Error(`set ${name}: see tests/clients/README.md`)
  return value
}

export const rpc = needed('CAIRN_RPC')
export const ws = rpc.replace(/^http/, 'ws')
export const key = process.env.CAIRN_KEY ?? JSON.parse(readFileSync(needed('CAIRN_KEY_FILE'), 'utf8')).secret
export const account = privateKeyToAccount(key)

// The same file that the ledger is built from: structs, events, errors and functions, without comments.
const abi = (name) => {
  const source = readFileSync(new URL(`../../../contracts/${name}.sol`, import.meta.url), 'utf8')
  const body = source.replace(/\/\/.*$/gm, '').replace(/\s+/g, ' ')
  const items = body.match(/struct \w+ \{[^}]*\}|(?:event|error|function) [^;]+;/g)
  return parseAbi(items.map((item) => (item.startsWith('struct') ? item : item.replace(/;$/, ''))))
}

const contract = (name, last) => ({ address: `0xca1400000000000000000000000000000000000${last}`, abi: abi(name) })
export const credits = contract('ICredits', 1)
export const registry = contract('IRegistry', 2)
export const rewards = contract('IRewards', 4)
export const stake = contract('IStake', 6)
export const economy = contract('IEconomy', 7)

const probe = createPublicClient({ transport: http(rpc) })
export const chain = defineChain({
  id: await probe.getChainId(),
  name: 'Cairn',
  nativeCurrency: { name: 'Stone', symbol: 'STONE', decimals: 18 },
  rpcUrls: { default: { http: [rpc] } },
})
/** Milliseconds for what must come at last: a test that hangs fails, one on a slow machine does not. */
export const LONG = 1_200_000
const transport = http(rpc, { timeout: LONG })
export const client = createPublicClient({ chain, transport, pollingInterval: 100 })
export const wallet = createWalletClient({ account, chain, transport })
export const mined = (hash) => client.waitForTransactionReceipt({ hash, timeout: LONG, retryCount: 100 })
// An address that nobody used yet.
export const stranger = () => privateKeyToAccount(`0x${Buffer.from(crypto.getRandomValues(new Uint8Array(32))).toString('hex')}`).address

// Returns 42, whatever it is asked: PUSH1 42, PUSH0, MSTORE, PUSH1 32, PUSH0, RETURN, behind its deployer.
export const answer = { bytecode: '0x67602a5f5260205ff35f5260086018f3', runtime: '0x602a5f5260205ff3' }
