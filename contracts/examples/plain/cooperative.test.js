// The same chain without Hardhat: mocha, ethers, and what build.js made.
//   CAIRN_DEV_RPC   the JSON-RPC of `cairn up --dev`; http://127.0.0.1:8545 when unset

import { expect } from 'chai'
import { Contract, ContractFactory, JsonRpcProvider, parseEther, verifyTypedData } from 'ethers'
import { readFileSync } from 'node:fs'

const provider = new JsonRpcProvider(process.env.CAIRN_DEV_RPC ?? 'http://127.0.0.1:8545', undefined, { cacheTimeout: -1 })
const build = (name) => JSON.parse(readFileSync(new URL(`../build/${name}.json`, import.meta.url), 'utf8'))
const deploy = async (name, signer, ...args) => {
  const { abi, bytecode } = build(name)
  const contract = await new ContractFactory(abi, bytecode, signer).deploy(...args)
  return new Contract(await contract.getAddress(), abi, signer)
}

describe('Cooperative, without Hardhat', () => {
  let [founder, member, other, cooperative, outer, inner] = []

  before(async () => {
    outer = await provider.send('evm_snapshot', []);
    [founder, member, other] = await Promise.all([0, 1, 2].map((n) => provider.getSigner(n)))
    cooperative = await deploy('Cooperative', founder, [founder, member], [75, 25])
  })
  beforeEach(async () => { inner = await provider.send('evm_snapshot', []) })
  afterEach(() => provider.send('evm_revert', [inner]))
  after(async () => {
    await provider.send('evm_revert', [outer])
    provider.destroy()
  })

  it('splits what arrives', async () => {
    await founder.sendTransaction({ to: cooperative, value: parseEther('8') })
    expect(await cooperative.withdrawable(member)).to.equal(parseEther('2'))
    const before = await provider.getBalance(member)
    const receipt = await (await cooperative.connect(other).withdraw(member)).wait()
    expect(await provider.getBalance(member)).to.equal(before + parseEther('2'))
    expect(receipt.logs.map((log) => cooperative.interface.parseLog(log).name)).to.deep.equal(['Income', 'Withdrawn'])
  })

  it('is as it was in the next test', async () => {
    expect(await provider.getBalance(cooperative)).to.equal(0n)
    const failure = await cooperative.withdraw.staticCall(member).catch((error) => error)
    expect(failure.revert.name).to.equal('NothingToWithdraw')
  })

  it('lives in a time that tests choose', async () => {
    const { timestamp } = await provider.getBlock('latest')
    await provider.send('evm_increaseTime', [86_400])
    await provider.send('evm_mine', [])
    expect((await provider.getBlock('latest')).timestamp).to.be.at.least(timestamp + 86_400)
  })

  it('knows keys that sign typed data', async () => {
    const { chainId } = await provider.getNetwork()
    const domain = { name: 'Cooperative', version: '1', chainId, verifyingContract: await cooperative.getAddress() }
    const types = { Ballot: [{ name: 'motion', type: 'string' }, { name: 'votes', type: 'uint256[]' }, { name: 'by', type: 'Member' }],
      Member: [{ name: 'account', type: 'address' }, { name: 'shares', type: 'uint64' }] }
    const ballot = { motion: 'buy a second station', votes: [75n, 2n ** 200n], by: { account: founder.address, shares: 75n } }
    const signature = await founder.signTypedData(domain, types, ballot)
    expect(verifyTypedData(domain, types, ballot, signature)).to.equal(founder.address)
  })
})
