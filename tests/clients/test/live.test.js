// Live data over WebSocket, with unmodified viem and cast.

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { after, test } from 'node:test'
import { createPublicClient, parseEther, webSocket } from 'viem'
import { env, program } from '../lib/cast.js'
import { account, chain, client, credits, LONG, mined, stranger, wallet, ws } from '../lib/network.js'

const live = createPublicClient({ chain, transport: webSocket(ws, { reconnect: false, timeout: LONG }) })
after(async () => (await live.transport.getRpcClient()).close())
const mint = () => wallet.writeContract({ ...credits, functionName: 'mint', value: parseEther('1') })

test('viem: blocks over WebSocket, one after the other', async () => {
  const numbers = await new Promise((resolve, reject) => {
    const seen = []
    live.transport.subscribe({
      params: ['newHeads'], onData: ({ result }) => { if (seen.push(BigInt(result.number)) === 3) resolve(seen) }, onError: reject,
    }).catch(reject)
  })
  assert.deepEqual(numbers, [numbers[0], numbers[0] + 1n, numbers[0] + 2n])
  // For each head viem asks for its block, and shows it when the answer is there: late ones in any order.
  await new Promise((resolve, reject) => {
    const seen = new Set()
    const stop = live.watchBlocks({
      onBlock: ({ number }) => {
        seen.add(number)
        if ([...seen].some((first) => seen.has(first + 1n) && seen.has(first + 2n))) { stop(); resolve() }
      },
      onError: reject,
    })
    wallet.sendTransaction({ to: stranger(), value: 1n }).then(mined).catch(reject)
  })
})

test('viem: decoded events over WebSocket', async () => {
  let stop
  const seen = new Promise((resolve, reject) => {
    stop = live.watchContractEvent({
      ...credits, eventName: 'Minted', args: { account: account.address }, onLogs: ([log]) => resolve(log), onError: reject,
    })
  })
  // Over the same socket, so that the subscription is there before.
  await live.getBlockNumber({ cacheTime: 0 })
  const hash = await mint()
  const log = await seen
  stop()
  assert.deepEqual([log.transactionHash, log.args.stones], [hash, parseEther('1')])
  await mined(hash)
})

test('viem: pending transactions over WebSocket and over a filter', async () => {
  const filter = await client.createPendingTransactionFilter()
  const hashes = []
  let [stop, tell] = []
  const sent = new Promise((resolve) => { tell = resolve })
  // Those of the network's own services come, too.
  const seen = new Promise((resolve, reject) => {
    const onTransactions = async (more) => {
      hashes.push(...more)
      if (hashes.includes(await sent)) resolve()
    }
    stop = live.watchPendingTransactions({ onTransactions, onError: reject })
  })
  await live.getBlockNumber({ cacheTime: 0 })
  const hash = await wallet.sendTransaction({ to: stranger(), value: 1n })
  tell(hash)
  await seen
  stop()
  assert.ok((await client.getFilterChanges({ filter })).includes(hash))
  await mined(hash)
})

test('viem: what does not exist cannot be subscribed to', async () => {
  await assert.rejects(live.transport.subscribe({ params: ['newUncles'], onData: () => {}, onError: () => {} }),
    (error) => /newUncles/.test(error.message))
})

test('cast: logs as they come', { timeout: LONG }, async () => {
  const logs = spawn(program, ['logs', '--subscribe', '--json', '--rpc-url', ws, '--address', credits.address], { env })
  let said = ''
  try {
    const seen = new Promise((resolve, reject) => {
      logs.stdout.on('data', (data) => { said += data; if (said.includes('transactionHash')) resolve() })
      logs.once('exit', () => reject(new Error(`cast logs: ${said}`)))
      logs.stderr.on('data', (data) => { said += data })
    })
    // Until one comes after cast has subscribed, which it does not tell.
    let waiting = true
    const done = seen.finally(() => { waiting = false })
    const minting = (async () => { while (waiting) await mined(await mint()) })()
    await Promise.all([done, minting])
    assert.match(said.toLowerCase(), new RegExp(credits.address))
  } finally {
    logs.kill()
  }
})
