// What a wallet, a dapp and an indexer do, with unmodified viem.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  BaseError, ContractFunctionRevertedError, InsufficientFundsError, NonceTooLowError, createPublicClient,
  encodeFunctionData, getContractAddress, http, parseEther, parseEventLogs,
} from 'viem'
import { account, answer, chain, client, credits, economy, mined, registry, rpc, stake, stranger, wallet } from '../lib/network.js'

const reverted = (error) => {
  assert.ok(error instanceof BaseError, String(error))
  const revert = error.walk((cause) => cause instanceof ContractFunctionRevertedError)
  assert.ok(revert instanceof ContractFunctionRevertedError, String(error))
  return revert.data
}

test('the chain and its blocks', async () => {
  const [latest, final, safe] = await Promise.all(
    ['latest', 'finalized', 'safe'].map((blockTag) => client.getBlock({ blockTag })))
  assert.ok(latest.number >= 0n && latest.hash && final.number >= 0n && safe.number >= 0n)
  const genesis = await client.getBlock({ blockNumber: 0n, includeTransactions: true })
  assert.deepEqual(genesis.transactions, [])
  assert.equal((await client.getBlock({ blockHash: genesis.hash })).number, 0n)
  assert.equal(await client.getBlockTransactionCount({ blockNumber: 0n }), 0)
  await assert.rejects(client.getBlock({ blockNumber: latest.number + 1_000_000n }), /could not be found/)
})

test('typed reads of native contracts', async () => {
  const read = (contract, functionName, args) => client.readContract({ ...contract, functionName, args })
  assert.equal(await read(credits, 'decimals'), 6)
  assert.equal(typeof (await read(credits, 'symbol')), 'string')
  assert.ok((await read(economy, 'price')) > 0n)
  const validators = await read(stake, 'validators')
  assert.ok(validators.length >= 1 && validators[0].operator.startsWith('0x'))
  assert.equal(await read(stake, 'isValidator', [validators[0].operator]), true)
  assert.ok((await read(registry, 'count')) >= 0n)
})

test('transfers: EIP-1559, legacy, EIP-2930', async () => {
  for (const type of ['eip1559', 'legacy', 'eip2930']) {
    const to = stranger()
    const hash = await wallet.sendTransaction({ type, to, value: 5n })
    const receipt = await mined(hash)
    assert.deepEqual([receipt.status, receipt.type, receipt.gasUsed], ['success', type, 21_000n])
    assert.equal(await client.getBalance({ address: to }), 5n)
    const transaction = await client.getTransaction({ hash })
    assert.deepEqual([transaction.to, transaction.blockHash], [to.toLowerCase(), receipt.blockHash])
    assert.equal(await client.getBalance({ address: to, blockNumber: receipt.blockNumber - 1n }), 0n)
  }
})

test('a write to a native contract with a decoded event', async () => {
  const before = await client.readContract({ ...credits, functionName: 'balanceOf', args: [account.address] })
  const { request, result } = await client.simulateContract({ ...credits, account, functionName: 'mint', value: parseEther('2') })
  const receipt = await mined(await wallet.writeContract(request))
  const [minted] = parseEventLogs({ abi: credits.abi, logs: receipt.logs, eventName: 'Minted' })
  assert.equal(minted.args.account, account.address)
  assert.equal(minted.args.stones, parseEther('2'))
  assert.equal(minted.args.credits, result)
  const after = await client.readContract({ ...credits, functionName: 'balanceOf', args: [account.address] })
  assert.equal(after - before, result)
})

test('custom errors are decoded by name and arguments', async () => {
  const bound = reverted(await client.simulateContract({ ...credits, account, functionName: 'transfer', args: [stranger(), 1n] })
    .catch((error) => error))
  assert.equal(bound.errorName, 'AccountBound')
  const id = `0x${'ab'.repeat(16)}`
  const unknown = reverted(await client.readContract({ ...registry, functionName: 'get', args: [id] }).catch((error) => error))
  assert.deepEqual([unknown.errorName, unknown.args], ['UnknownDevice', [id]])
  const estimated = await client.estimateContractGas({ ...credits, account, functionName: 'transfer', args: [stranger(), 1n] })
    .catch((error) => error)
  assert.equal(reverted(estimated).errorName, 'AccountBound')
})

test('a failed transaction has a receipt that says so', async () => {
  const data = encodeFunctionData({ abi: credits.abi, functionName: 'transfer', args: [stranger(), 1n] })
  const receipt = await mined(await wallet.sendTransaction({ to: credits.address, data, gas: 100_000n }))
  assert.equal(receipt.status, 'reverted')
})

test('deploy a contract and call it', async () => {
  const nonce = await client.getTransactionCount({ address: account.address })
  const receipt = await mined(await wallet.deployContract({ abi: [], bytecode: answer.bytecode }))
  assert.equal(receipt.contractAddress.toLowerCase(), getContractAddress({ from: account.address, nonce: BigInt(nonce) }).toLowerCase())
  assert.equal(await client.getCode({ address: receipt.contractAddress }), answer.runtime)
  assert.equal(BigInt((await client.call({ to: receipt.contractAddress })).data), 42n)
})

test('logs and live events', async () => {
  const from = await client.getBlockNumber()
  const seen = new Promise((resolve, reject) => {
    const stop = client.watchContractEvent({
      ...credits, eventName: 'Minted', args: { account: account.address },
      onLogs: (logs) => { stop(); resolve(logs[0]) }, onError: reject,
    })
  })
  const filter = await client.createContractEventFilter({ ...credits, eventName: 'Minted' })
  const receipt = await mined(await wallet.writeContract({ ...credits, functionName: 'mint', value: parseEther('1') }))
  assert.equal((await seen).transactionHash, receipt.transactionHash)
  const changes = await client.getFilterChanges({ filter })
  assert.ok(changes.some((log) => log.transactionHash === receipt.transactionHash))
  assert.equal(await client.uninstallFilter({ filter }), true)
  const logs = await client.getContractEvents({ ...credits, eventName: 'Minted', fromBlock: from, args: { account: account.address } })
  assert.ok(logs.some((log) => log.transactionHash === receipt.transactionHash && log.args.stones === parseEther('1')))
  assert.deepEqual(await client.getContractEvents({ ...credits, eventName: 'Minted', fromBlock: from, args: { account: stranger() } }), [])
})

test('fees: history, estimates, prices', async () => {
  const history = await client.getFeeHistory({ blockCount: 4, rewardPercentiles: [25, 75] })
  assert.equal(history.baseFeePerGas.length, history.gasUsedRatio.length + 1)
  assert.equal(history.reward.length, history.gasUsedRatio.length)
  const fees = await client.estimateFeesPerGas()
  assert.ok(fees.maxFeePerGas > fees.maxPriorityFeePerGas)
  assert.ok((await client.getGasPrice()) > 0n)
  assert.equal(await client.estimateGas({ account, to: stranger(), value: 1n }), 21_000n)
})

test('state overrides, access lists, storage and batches', async () => {
  const to = stranger()
  const { data } = await client.call({ to, stateOverride: [{ address: to, code: answer.runtime }] })
  assert.equal(BigInt(data), 42n)
  const list = await client.createAccessList({
    account, to: credits.address, data: encodeFunctionData({ abi: credits.abi, functionName: 'balanceOf', args: [account.address] }),
  })
  const slots = list.accessList.find((entry) => entry.address === credits.address)?.storageKeys
  assert.equal(slots?.length, 1)
  assert.ok(BigInt(await client.getStorageAt({ address: credits.address, slot: slots[0] })) > 0n)
  const batched = createPublicClient({ chain, transport: http(rpc, { batch: true }) })
  const heights = await Promise.all(Array.from({ length: 20 }, () => batched.getBlockNumber({ cacheTime: 0 })))
  assert.equal(heights.length, 20)
})

test('refused transactions have the errors that viem knows', async () => {
  const fees = { gas: 21_000n, maxFeePerGas: 10n ** 10n, maxPriorityFeePerGas: 1n }
  const send = (request) => wallet.sendTransaction({ to: stranger(), value: 1n, ...fees, ...request }).catch((error) => error)
  const cause = (error, kind) => assert.ok(error.walk((inner) => inner instanceof kind) instanceof kind, String(error))
  cause(await send({ nonce: 0 }), NonceTooLowError)
  cause(await send({ value: parseEther('1000000000') }), InsufficientFundsError)
  await assert.rejects(client.getProof({ address: account.address, storageKeys: [] }), /cairn_getProof/)
  await assert.rejects(client.request({ method: 'eth_noSuchMethod' }), /does not exist|not found/i)
})

test('the cairn namespace', async () => {
  const status = await client.request({ method: 'cairn_status' })
  assert.equal(status.chainId, chain.id)
  assert.equal(typeof (await client.request({ method: 'cairn_genesis' })), 'string')
  const finality = await client.request({ method: 'cairn_getCertificate', params: ['0x1'] })
  assert.equal(finality.blockHash, (await client.getBlock({ blockNumber: 1n })).hash)
})
