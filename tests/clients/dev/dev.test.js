// What a contract author's suite does with a development chain (`cairn up --dev`), through viem's unmodified test client.
//   CAIRN_DEV_RPC   its JSON-RPC

import assert from 'node:assert/strict'
import { after, before, beforeEach, afterEach, describe, test } from 'node:test'
import {
  createTestClient, createWalletClient, defineChain, http, parseEther, publicActions, recoverMessageAddress, recoverTypedDataAddress, walletActions,
} from 'viem'

const rpc = process.env.CAIRN_DEV_RPC
if (!rpc) throw new Error('set CAIRN_DEV_RPC: see tests/clients/README.md')
const id = Number((await (await fetch(rpc, {
  method: 'POST',
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'eth_chainId', params: [] }),
})).json()).result)
const chain = defineChain({
  id, name: 'Cairn development', nativeCurrency: { name: 'Stone', symbol: 'STONE', decimals: 18 },
  rpcUrls: { default: { http: [rpc] } },
})

for (const mode of ['hardhat', 'anvil']) {
  describe(`viem's test client in ${mode} mode`, () => {
    const client = createTestClient({ mode, chain, transport: http(rpc) }).extend(publicActions).extend(walletActions)
    let accounts
    let snapshot

    before(async () => { accounts = await client.getAddresses() })
    beforeEach(async () => { snapshot = await client.snapshot() })
    afterEach(async () => { await client.revert({ id: snapshot }) })

    test('ten funded accounts, among them the one that everybody knows', async () => {
      assert.equal(accounts.length, 10)
      assert.equal(accounts[0].toLowerCase(), '0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266')
      assert.ok((await client.getBalance({ address: accounts[9] })) > parseEther('1000'))
    })

    test('a block for each transaction', async () => {
      const height = await client.getBlockNumber({ cacheTime: 0 })
      const hash = await client.sendTransaction({ account: accounts[0], to: accounts[1], value: 1n })
      const receipt = await client.getTransactionReceipt({ hash })
      assert.deepEqual([receipt.status, receipt.blockNumber], ['success', height + 1n])
    })

    test('what a test did is undone after it', async () => {
      const fresh = '0x00000000000000000000000000000000000000aa'
      const inner = await client.snapshot()
      await client.sendTransaction({ account: accounts[2], to: fresh, value: parseEther('5') })
      assert.equal(await client.getBalance({ address: fresh }), parseEther('5'))
      await client.revert({ id: inner })
      assert.equal(await client.getBalance({ address: fresh }), 0n)
    })

    test('time travel', async () => {
      await client.mine({ blocks: 1 })
      const { timestamp } = await client.getBlock()
      await client.increaseTime({ seconds: 3_600 })
      await client.mine({ blocks: 1 })
      const later = await client.getBlock()
      assert.ok(later.timestamp - timestamp >= 3_600n && later.timestamp - timestamp < 7_200n)
      await client.setNextBlockTimestamp({ timestamp: later.timestamp + 500n })
      await client.mine({ blocks: 1 })
      assert.equal((await client.getBlock()).timestamp, later.timestamp + 500n)
      await client.mine({ blocks: 4, interval: 60 })
      assert.ok((await client.getBlock()).timestamp >= later.timestamp + 500n + 180n)
    })

    test('blocks on demand', async () => {
      assert.equal(await client.getAutomine(), true)
      await client.setAutomine(false)
      const height = await client.getBlockNumber({ cacheTime: 0 })
      const hash = await client.sendTransaction({ account: accounts[3], to: accounts[4], value: 1n })
      assert.equal(await client.getBlockNumber({ cacheTime: 0 }), height)
      await client.mine({ blocks: 1 })
      assert.equal((await client.getTransactionReceipt({ hash })).blockNumber, height + 1n)
      await client.setAutomine(true)
    })

    test('accounts are set and impersonated', async () => {
      const whale = '0x00000000000000000000000000000000000000bb'
      await client.setBalance({ address: whale, value: parseEther('9') })
      await client.setNonce({ address: whale, nonce: 41 })
      await client.impersonateAccount({ address: whale })
      const sender = createWalletClient({ account: whale, chain, transport: http(rpc) })
      const hash = await sender.sendTransaction({ to: accounts[0], value: parseEther('1') })
      const transaction = await client.getTransaction({ hash })
      assert.deepEqual([transaction.from, transaction.nonce], [whale, 41])
      await client.stopImpersonatingAccount({ address: whale })
      await assert.rejects(sender.sendTransaction({ to: accounts[0], value: 1n }))
    })

    test('code and storage are set', async () => {
      const address = '0x00000000000000000000000000000000000000cc'
      await client.setCode({ address, bytecode: '0x602a5f5260205ff3' })
      assert.equal(BigInt((await client.call({ to: address })).data), 42n)
      const value = `0x${'00'.repeat(31)}07`
      await client.setStorageAt({ address, index: 3, value })
      assert.equal(await client.getStorageAt({ address, slot: '0x3' }), value)
    })

    test('accounts sign messages and typed data', async () => {
      const message = 'Cairn'
      const signed = await client.signMessage({ account: accounts[1], message })
      assert.equal((await recoverMessageAddress({ message, signature: signed })).toLowerCase(), accounts[1].toLowerCase())
      const person = { name: 'Cow', wallets: [accounts[2], accounts[3]], born: -7n }
      const mail = {
        domain: { name: 'Mail', version: '1', chainId: id, verifyingContract: accounts[0], salt: `0x${'5a'.repeat(32)}` },
        types: {
          Person: [{ name: 'name', type: 'string' }, { name: 'wallets', type: 'address[]' }, { name: 'born', type: 'int64' }],
          Mail: [
            { name: 'from', type: 'Person' }, { name: 'to', type: 'Person[2]' }, { name: 'body', type: 'bytes' },
            { name: 'stamp', type: 'bytes4' }, { name: 'value', type: 'uint256' }, { name: 'urgent', type: 'bool' },
          ],
        },
        primaryType: 'Mail',
        message: { from: person, to: [person, person], body: '0x436169726e', stamp: '0x01020304', value: 2n ** 255n, urgent: true },
      }
      const signature = await client.signTypedData({ account: accounts[1], ...mail })
      assert.equal((await recoverTypedDataAddress({ ...mail, signature })).toLowerCase(), accounts[1].toLowerCase())
    })

    test('a transaction that waits is dropped, a block gets other limits', async () => {
      await client.setAutomine(false)
      const hash = await client.sendTransaction({ account: accounts[3], to: accounts[4], value: 1n })
      await client.dropTransaction({ hash })
      await client.setBlockGasLimit({ gasLimit: 40_000_000n })
      await client.mine({ blocks: 1 })
      const block = await client.getBlock()
      assert.deepEqual([block.gasLimit, block.transactions.length], [40_000_000n, 0])
      await client.setBlockGasLimit({ gasLimit: 60_000_000n })
      await client.setAutomine(true)
    })

    after(async () => { assert.equal(await client.getAutomine(), true) })
  })
}
