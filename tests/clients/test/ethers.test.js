// What a dapp on ethers does, with unmodified ethers 6: JSON-RPC batches by default, live events over filters and WebSocket.

import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { Contract, ContractFactory, JsonRpcProvider, NonceManager, Wallet, WebSocketProvider, isError, parseEther } from 'ethers'
import { answer, chain, credits, key, registry, rpc, stake, stranger, ws } from '../lib/network.js'

const provider = new JsonRpcProvider(rpc, chain.id, { staticNetwork: true, pollingInterval: 100, cacheTimeout: -1 })
const socket = new WebSocketProvider(ws, chain.id)
const wallet = new NonceManager(new Wallet(key, provider))
const contract = ({ address, abi }, runner = wallet) => new Contract(address, abi, runner)
const mint = (value) => contract(credits).mint({ value: parseEther(value) })
after(async () => {
  // What is under way on the socket comes back first: the end of a subscription is nobody's to wait for.
  await socket.send('eth_blockNumber', [])
  provider.destroy()
  await socket.destroy()
})

test('ethers: reads, alone and in batches', async () => {
  assert.equal((await provider.getNetwork()).chainId, BigInt(chain.id))
  const [block, balance, decimals, validators, fees] = await Promise.all([
    provider.getBlock('latest', true), provider.getBalance(await wallet.getAddress()), contract(credits).decimals(),
    contract(stake).validators(), provider.getFeeData()])
  assert.ok(block.number >= 0 && balance > 0n && validators.length >= 1)
  assert.equal(decimals, 6n)
  assert.ok(fees.maxFeePerGas > fees.maxPriorityFeePerGas)
  const heights = await Promise.all(Array.from({ length: 20 }, () => provider.send('eth_blockNumber', [])))
  assert.equal(heights.length, 20)
})

test('ethers: sends and decoded events', async () => {
  const to = stranger()
  const sent = await (await wallet.sendTransaction({ to, value: 5n })).wait()
  assert.deepEqual([sent.status, sent.gasUsed], [1, 21_000n])
  assert.equal(await provider.getBalance(to), 5n)
  const receipt = await (await mint('1')).wait()
  const events = await contract(credits).queryFilter('Minted', receipt.blockNumber, receipt.blockNumber)
  const mine = events.find((event) => event.transactionHash === receipt.hash)
  assert.equal(mine.args.stones, parseEther('1'))
})

test('ethers: custom errors by name and arguments', async () => {
  const bound = await contract(credits).transfer.staticCall(stranger(), 1n).catch((error) => error)
  assert.ok(isError(bound, 'CALL_EXCEPTION'), String(bound))
  assert.equal(bound.revert?.name, 'AccountBound')
  const id = `0x${'ab'.repeat(16)}`
  const unknown = await contract(registry).get(id).catch((error) => error)
  assert.deepEqual([unknown.revert?.name, unknown.revert?.args[0]], ['UnknownDevice', id])
  const poor = await wallet.signer.sendTransaction({ to: stranger(), value: parseEther('1000000000'), gasLimit: 21_000n })
    .catch((error) => error)
  assert.ok(isError(poor, 'INSUFFICIENT_FUNDS'), String(poor))
})

test('ethers: deploy and call', async () => {
  wallet.reset()
  const deployed = await new ContractFactory([], answer.bytecode, wallet).deploy()
  await deployed.waitForDeployment()
  const address = await deployed.getAddress()
  assert.equal(await provider.getCode(address), answer.runtime)
  assert.equal(BigInt(await provider.call({ to: address })), 42n)
})

for (const [name, live] of [['filters', provider], ['WebSocket', socket]]) {
  test(`ethers: live events over ${name}`, async () => {
    const listening = contract(credits, live)
    let seen
    const event = new Promise((resolve) => { seen = resolve })
    // The network's own consumer buys credits, too.
    const mine = listening.filters.Minted(await wallet.getAddress())
    await listening.on(mine, (payload) => seen([payload.args.stones, payload.log.transactionHash]))
    const sent = await mint('1')
    assert.deepEqual(await event, [parseEther('1'), sent.hash])
    await listening.removeAllListeners()
    await sent.wait()
  })
}

test('ethers: heads and pending transactions over WebSocket', async () => {
  const head = new Promise((resolve) => { socket.once('block', resolve) })
  // Those of the network's own services come, too.
  let tell
  const own = new Promise((resolve) => { tell = resolve })
  const pending = new Promise((resolve) => { socket.on('pending', async (hash) => { if (hash === await own) resolve() }) })
  const sent = await wallet.sendTransaction({ to: stranger(), value: 1n })
  tell(sent.hash)
  await pending
  assert.ok((await head) > 0)
  await sent.wait()
  await socket.removeAllListeners()
})
