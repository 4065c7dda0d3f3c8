// OpenZeppelin's token under node:test, with signatures of the development accounts and everything that network helpers do.

import assert from 'node:assert/strict'
import { after, before, beforeEach, describe, it } from 'node:test'
import { network } from 'hardhat'

const { ethers, networkHelpers } = await network.getOrCreate()
const { time } = networkHelpers
// What a call was refused with: the name of one of the contract's errors.
const reverts = (contract, name) => (failure) => contract.interface.parseError(failure.data)?.name === name
const SUPPLY = ethers.parseEther('1000000')

// The chain is left as it was found.
let found
before(async () => { found = await networkHelpers.takeSnapshot() })
after(() => found?.restore())

describe('Token', () => {
  async function deployed() {
    const [owner, spender, other] = await ethers.getSigners()
    return { owner, spender, other, token: await ethers.deployContract('Token', [SUPPLY]) }
  }
  let world
  beforeEach(async () => { world = await networkHelpers.loadFixture(deployed) })

  it('moves, and tells why it does not', async () => {
    const { token, owner, spender, other } = world
    await token.transfer(other, 250n)
    assert.equal(await token.balanceOf(other), 250n)
    await assert.rejects(token.connect(spender).transferFrom(owner, other, 1n), reverts(token, 'ERC20InsufficientAllowance'))
    await token.approve(spender, 100n)
    const sent = await token.connect(spender).transferFrom(owner, other, 100n)
    const [event] = await token.queryFilter(token.filters.Transfer(owner, other), (await sent.wait()).blockNumber)
    assert.equal(event.args.value, 100n)
  })

  it('takes a permit that a development account signed', async () => {
    const { token, owner, spender, other } = world
    const permit = {
      owner: owner.address, spender: spender.address, value: 77n, nonce: await token.nonces(owner), deadline: await time.latest() + 3_600,
    }
    const [, name, version, chainId, verifyingContract] = await token.eip712Domain()
    const types = { Permit: ['owner address', 'spender address', 'value uint256', 'nonce uint256', 'deadline uint256']
      .map((field) => ({ name: field.split(' ')[0], type: field.split(' ')[1] })) }
    // eth_signTypedData_v4: the key is the node's, as a wallet's would be the user's.
    const signature = await owner.signTypedData({ name, version, chainId, verifyingContract }, types, permit)
    const { v, r, s } = ethers.Signature.from(signature)
    await token.connect(other).permit(owner, spender, permit.value, permit.deadline, v, r, s)
    assert.equal(await token.allowance(owner, spender), 77n)
    await assert.rejects(token.permit(owner, spender, permit.value, permit.deadline, v, r, s), reverts(token, 'ERC2612InvalidSigner'))
  })

  it('refuses a permit after its deadline', async () => {
    const { token, owner, spender } = world
    const deadline = await time.latest() + 60
    await time.increase(61)
    const nothing = ethers.ZeroHash
    await assert.rejects(token.permit(owner, spender, 1n, deadline, 27, nothing, nothing), reverts(token, 'ERC2612ExpiredSignature'))
  })

  it('recognises who signed a message', async () => {
    const { owner } = world
    assert.equal(ethers.verifyMessage('I am the owner', await owner.signMessage('I am the owner')), owner.address)
  })
})

describe('network helpers', () => {
  async function nothing() {}
  beforeEach(() => networkHelpers.loadFixture(nothing))

  it('send time where a test wants it', async () => {
    const begun = await time.latest()
    await time.increase(3_600)
    assert.ok(await time.latest() >= begun + 3_600)
    await time.increaseTo(begun + 10_000)
    assert.equal(await time.latest(), begun + 10_000)
    await time.setNextBlockTimestamp(begun + 20_000)
    await networkHelpers.mine()
    assert.equal(await time.latest(), begun + 20_000)
    const height = await time.latestBlock()
    await networkHelpers.mine(5, { interval: 60 })
    assert.equal(await time.latestBlock(), height + 5)
    assert.ok(await time.latest() >= begun + 20_000 + 4 * 60)
    await networkHelpers.mineUpTo(height + 8)
    assert.equal(await time.latestBlock(), height + 8)
  })

  it('give accounts what a test needs, and send for anybody', async () => {
    const whale = ethers.getAddress('0x00000000000000000000000000000000000000bb')
    await networkHelpers.setBalance(whale, ethers.parseEther('9'))
    await networkHelpers.setNonce(whale, 41)
    const sender = await ethers.getImpersonatedSigner(whale)
    const [to] = await ethers.getSigners()
    const sent = await sender.sendTransaction({ to, value: ethers.parseEther('1') })
    assert.deepEqual([sent.from, sent.nonce], [whale, 41])
    await networkHelpers.stopImpersonatingAccount(whale)
    await assert.rejects(sender.sendTransaction({ to, value: 1n }), /hardhat_impersonateAccount/)
  })

  it('put code and storage anywhere', async () => {
    const address = ethers.getAddress('0x00000000000000000000000000000000000000cc')
    // PUSH1 42, PUSH0, MSTORE, PUSH1 32, PUSH0, RETURN
    await networkHelpers.setCode(address, '0x602a5f5260205ff3')
    assert.equal(BigInt(await ethers.provider.call({ to: address })), 42n)
    await networkHelpers.setStorageAt(address, 3, 7)
    assert.equal(BigInt(await networkHelpers.getStorageAt(address, 3)), 7n)
  })

  it('decide about the next block', async () => {
    const coinbase = ethers.getAddress('0x00000000000000000000000000000000000000dd')
    await networkHelpers.setCoinbase(coinbase)
    await networkHelpers.setNextBlockBaseFeePerGas(2_000_000_000)
    await networkHelpers.setPrevRandao(1234)
    await networkHelpers.setBlockGasLimit(40_000_000)
    await networkHelpers.mine()
    const block = await ethers.provider.getBlock('latest')
    assert.deepEqual([block.miner, block.baseFeePerGas, block.gasLimit], [coinbase, 2_000_000_000n, 40_000_000n])
    // Hardhat's blocks leave it out.
    const { mixHash } = await ethers.provider.send('eth_getBlockByNumber', ['latest', false])
    assert.equal(BigInt(mixHash), 1234n)
    await networkHelpers.setBlockGasLimit(60_000_000)
  })

  it('drop a transaction that waits', async () => {
    const [from, to] = await ethers.getSigners()
    await ethers.provider.send('evm_setAutomine', [false])
    try {
      const { hash } = await from.sendTransaction({ to, value: 1n })
      assert.equal(await networkHelpers.dropTransaction(hash), true)
      assert.equal(await networkHelpers.dropTransaction(hash), false)
      await networkHelpers.mine()
      assert.equal(await ethers.provider.getTransactionReceipt(hash), null)
    } finally {
      await ethers.provider.send('evm_setAutomine', [true])
    }
  })

  it('keep snapshots inside of each other', async () => {
    const [from, to] = await ethers.getSigners()
    const outer = await networkHelpers.takeSnapshot()
    const before = await ethers.provider.getBalance(to)
    await from.sendTransaction({ to, value: 5n })
    const inner = await networkHelpers.takeSnapshot()
    await from.sendTransaction({ to, value: 6n })
    assert.equal(await ethers.provider.getBalance(to), before + 11n)
    await inner.restore()
    assert.equal(await ethers.provider.getBalance(to), before + 5n)
    await outer.restore()
    assert.equal(await ethers.provider.getBalance(to), before)
  })
})
