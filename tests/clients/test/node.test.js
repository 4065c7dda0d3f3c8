// What tools ask of a node beyond wallets: traces, simulations, the pool, with unmodified viem.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { encodeFunctionData, parseEther, toFunctionSelector } from 'viem'
import { account, client, credits, mined, stranger, wallet } from '../lib/network.js'

const ask = (method, ...params) => client.request({ method, params })

test('traces of a native contract', async () => {
  const receipt = await mined(await wallet.writeContract({ ...credits, functionName: 'mint', value: parseEther('1') }))
  const trace = await ask('debug_traceTransaction', receipt.transactionHash, { tracer: 'callTracer', tracerConfig: { withLog: true } })
  assert.deepEqual([trace.type, trace.to, BigInt(trace.gasUsed)], ['CALL', credits.address, receipt.gasUsed])
  assert.equal(trace.logs.length, receipt.logs.length)
  const { pre, post } = await ask('debug_traceTransaction', receipt.transactionHash,
    { tracer: 'prestateTracer', tracerConfig: { diffMode: true } })
  const sender = account.address.toLowerCase()
  assert.equal(post[sender].nonce, (pre[sender].nonce ?? 0) + 1)
  const data = encodeFunctionData({ abi: credits.abi, functionName: 'decimals' })
  const call = await ask('debug_traceCall', { to: credits.address, data }, 'latest', { tracer: 'callTracer' })
  assert.equal(BigInt(call.output), 6n)
  const logger = await ask('debug_traceTransaction', receipt.transactionHash, {})
  assert.deepEqual([logger.failed, BigInt(logger.gas)], [false, receipt.gasUsed])
})

test('simulated blocks and calls', async () => {
  const poor = stranger()
  const blocks = await client.simulateBlocks({
    traceTransfers: true,
    blocks: [
      { stateOverrides: [{ address: poor, balance: parseEther('1') }],
        calls: [{ account: poor, to: account.address, value: parseEther('1') }] },
      { calls: [{ to: credits.address, abi: credits.abi, account: account.address, functionName: 'transfer', args: [poor, 1n] }] },
    ],
  })
  assert.equal(blocks[1].number, blocks[0].number + 1n)
  assert.equal(blocks[0].calls[0].status, 'success')
  assert.equal(blocks[0].calls[0].logs.length, 1)
  assert.deepEqual([blocks[1].calls[0].status, blocks[1].calls[0].data], ['failure', toFunctionSelector('AccountBound()')])
  const { results } = await client.simulateCalls({ account: account.address, calls: [{ to: poor, value: 1n }] })
  assert.equal(results[0].status, 'success')
})

test('send and wait in one request', async () => {
  const to = stranger()
  const receipt = await wallet.sendTransactionSync({ to, value: 3n, timeout: 20_000 })
  assert.equal(receipt.status, 'success')
  assert.equal(await client.getBalance({ address: to }), 3n)
})

test('filling in, the pool, small questions', async () => {
  const { tx } = await ask('eth_fillTransaction', { from: account.address, to: stranger(), value: '0x1' })
  assert.equal(BigInt(tx.gas), 21_000n)
  assert.ok(BigInt(tx.maxFeePerGas) > BigInt(tx.maxPriorityFeePerGas))
  const content = await ask('txpool_content')
  assert.ok(content.pending && content.queued)
  assert.equal((await ask('eth_getAccountInfo', credits.address, 'latest')).code, '0xef')
  assert.equal(await ask('eth_getUncleByBlockNumberAndIndex', '0x0', '0x0'), null)
  assert.equal((await ask('rpc_modules')).debug, '1.0')
  await assert.rejects(client.getBlobBaseFee(), /no blobs/)
})
