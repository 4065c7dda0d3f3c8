// What a person types, with unmodified cast.

import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { env, program } from '../lib/cast.js'
import { account, answer, chain, credits, key, LONG, registry, rpc, stranger } from '../lib/network.js'

const run = promisify(execFile)
const raw = (...args) => run(program, args, { env, timeout: LONG }).catch((error) => error)
const offline = async (...args) => {
  const { stdout, stderr } = await raw(...args)
  assert.ok(stdout.trim(), `cast ${args[0]}: ${stderr}`)
  return stdout.trim()
}
// Options first: what follows `--create` belongs to the constructor.
const cast = (command, ...args) => offline(command, '--rpc-url', rpc, ...args)
const refused = async (command, ...args) => {
  const { stdout, stderr } = await raw(command, '--rpc-url', rpc, ...args)
  assert.equal(stdout.trim(), '', `cast ${command} should fail`)
  return stderr
}
const send = async (...args) => JSON.parse(await cast('send', '--json', '--private-key', key, ...args))

test('chain, blocks and accounts', async () => {
  assert.equal(await cast('chain-id'), String(chain.id))
  assert.ok(Number(await cast('block-number')) >= 0)
  const block = JSON.parse(await cast('block', '0', '--json'))
  assert.equal(Number(block.number), 0)
  assert.match(await cast('block', 'finalized', '--field', 'hash'), /^0x[0-9a-f]{64}$/)
  assert.ok(BigInt(await cast('balance', account.address)) > 0n)
  assert.ok(Number(await cast('nonce', account.address)) >= 0)
  assert.ok(BigInt(await cast('gas-price')) > 0n)
  assert.ok(BigInt(await cast('base-fee')) > 0n)
  assert.match(await cast('client'), /^cairn\//)
  assert.match(await cast('age', '0'), /20\d\d/)
})

test('calls, storage and code', async () => {
  assert.match(await cast('call', credits.address, 'symbol()(string)'), /\w+/)
  assert.equal(await cast('call', credits.address, 'decimals()(uint8)'), '6')
  assert.equal(await cast('code', credits.address), '0xef')
  assert.match(await cast('storage', credits.address, '0'), /^0x[0-9a-f]{64}$/)
  assert.equal(await cast('estimate', stranger(), '--value', '1'), '21000')
  assert.match(await cast('rpc', 'cairn_status'), /"height"/)
})

test('send, receipt, logs and transaction', async () => {
  const to = stranger()
  const receipt = await send(to, '--value', '7')
  assert.equal(receipt.status, '0x1')
  assert.equal(await cast('balance', to), '7')
  assert.match(await cast('receipt', receipt.transactionHash, 'status'), /true|1/)
  assert.equal((await cast('tx', receipt.transactionHash, 'to')).toLowerCase(), to.toLowerCase())
  const legacy = await send(to, '--value', '1', '--legacy')
  assert.equal(legacy.type, '0x0')

  const minted = await send(credits.address, 'mint()', '--value', '1ether')
  const logs = JSON.parse(await cast('logs', '--json', '--from-block', String(Number(minted.blockNumber)), '--address', credits.address,
    'Minted(address indexed,uint256,uint256,uint64)', account.address))
  assert.ok(logs.some((log) => log.transactionHash === minted.transactionHash))
  assert.ok(BigInt((await cast('call', credits.address, 'balanceOf(address)(uint256)', account.address)).split(' ')[0]) > 0n)
})

test('deploy', async () => {
  const receipt = await send('--create', answer.bytecode)
  assert.equal(await cast('code', receipt.contractAddress), answer.runtime)
  assert.equal(BigInt(await cast('call', receipt.contractAddress, 'anything()')), 42n)
})

test('run again, traced', async () => {
  const receipt = await send(credits.address, 'mint()', '--value', '1ether')
  const trace = JSON.parse(await cast('rpc', 'debug_traceTransaction', receipt.transactionHash, '{"tracer":"callTracer"}'))
  assert.deepEqual([trace.to, trace.gasUsed], [credits.address, receipt.gasUsed])
  const blocks = JSON.parse(await cast('rpc', 'debug_traceBlockByNumber', receipt.blockNumber, '{"tracer":"callTracer"}'))
  assert.ok(blocks.some((traced) => traced.txHash === receipt.transactionHash))
  assert.match(await cast('call', '--trace', credits.address, 'decimals()'), /\w/)
  assert.match(await cast('rpc', 'txpool_status'), /pending/)
})

test('access lists', async () => {
  const list = await cast('access-list', credits.address, 'balanceOf(address)(uint256)', account.address)
  assert.match(list.toLowerCase(), new RegExp(credits.address))
})

test('custom errors come with their data and decode', async () => {
  const failed = await refused('call', registry.address, 'get(bytes16)', `0x${'ab'.repeat(16)}`)
  const [data] = failed.match(/0x[0-9a-f]{8,}/) ?? []
  assert.ok(data, failed)
  const decoded = await offline('decode-error', data, '--sig', 'UnknownDevice(bytes16)')
  assert.match(decoded, /(ab){16}/)
  const bound = await refused('send', '--private-key', key, credits.address, 'transfer(address,uint256)', stranger(), '1')
  assert.match(bound, /execution reverted/)
  const poor = await refused('send', '--private-key', key, '--gas-limit', '21000', stranger(), '--value', '1000000000ether')
  assert.match(poor, /insufficient funds/)
})
