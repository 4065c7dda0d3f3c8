// A co-operative owns devices; what they earn belongs to its members by shares.

import { expect } from 'chai'
import { network } from 'hardhat'
import { Device, ED25519, SENSING } from '../../lib/device.js'
import { addresses, Epochs } from '../../lib/epoch.js'

const { ethers, networkHelpers } = await network.getOrCreate()
const send = (method, params) => ethers.provider.send(method, params)
const SHARES = [50n, 30n, 20n]
/** What validators grant to each device, in µUSD. */
const SUBSIDY = 1_000_000n

describe('Cooperative', () => {
  // The chain is left as it was found.
  let found
  before(async () => { found = await networkHelpers.takeSnapshot() })
  after(() => found?.restore())

  async function founded() {
    const [founder, ...others] = await ethers.getSigners()
    const members = [founder, others[0], others[1]]
    const epochs = await Epochs.of(send)
    const registry = await ethers.getContractAt('IRegistry', addresses.registry)
    const rewards = await ethers.getContractAt('IRewards', addresses.rewards)
    const cooperative = await ethers.deployContract('Cooperative', [members, SHARES])
    const owner = await cooperative.getAddress()
    const { chainId } = await ethers.provider.getNetwork()
    const devices = [new Device(), new Device()]
    const registered = devices.map((device) => device.registration(chainId, owner))
    const bond = await registry.bondRequired(SENSING)
    await cooperative.registerMany(
      SENSING, ED25519, ethers.concat(devices.map((device) => device.publicKey)),
      registered.map(([r]) => r.latE7), registered.map(([r]) => r.lonE7), registered.map(([r]) => r.elevationDm),
      ethers.concat(registered.map(([, proof]) => proof)), { value: bond * 2n },
    )
    return { founder, members, stranger: others[2], epochs, registry, rewards, cooperative, owner, devices, bond }
  }

  // An epoch in which every device earned the same, and time until it may be claimed.
  async function earned() {
    const world = await founded()
    const { epochs, rewards, devices, owner } = world
    const final = await epochs.finish({ subsidies: devices.map((device) => ({ device, owner, microUsd: SUBSIDY })) })
    const { subsidyFrom } = await rewards.unlocks(final.epoch)
    await epochs.goTo(epochs.startMs(subsidyFrom))
    const claims = [
      final.rewards.map(({ reward }) => reward), final.rewards.map(({ index }) => index),
      final.rewards.flatMap(({ siblings }) => siblings), final.rewards.map(({ siblings }) => siblings.length),
    ]
    return { ...world, claims, income: final.rewards.reduce((sum, { reward }) => sum + reward.subsidyStones, 0n) }
  }

  it('owns what it registers', async () => {
    const { registry, cooperative, owner, devices, bond, stranger } = await networkHelpers.loadFixture(founded)
    const device = await registry.get(devices[1].hexId)
    expect(device.owner).to.equal(owner)
    expect(device.bond).to.equal(bond)
    await expect(cooperative.connect(stranger).retire(devices[1].hexId))
      .to.be.revertedWithCustomError(cooperative, 'OwnableUnauthorizedAccount').withArgs(stranger.address)
    await expect(cooperative.retire(devices[1].hexId)).to.emit(registry, 'DeviceLeft').withArgs(devices[1].hexId, owner, 0)
  })

  it('splits rewards by shares, whoever claims them', async () => {
    const { cooperative, members, stranger, claims, income } = await networkHelpers.loadFixture(earned)
    await expect(cooperative.connect(stranger).claim(...claims)).to.emit(cooperative, 'Income').withArgs(income)
    for (const [n, member] of members.entries()) {
      const due = await cooperative.withdrawable(member)
      expect(due).to.be.closeTo(income * SHARES[n] / 100n, 1)
      await expect(cooperative.connect(stranger).withdraw(member)).to.changeEtherBalance(ethers, member, due)
    }
    await expect(cooperative.withdraw(stranger)).to.be.revertedWithCustomError(cooperative, 'NothingToWithdraw')
  })

  it('finds rewards that came without a call to it', async () => {
    const { cooperative, rewards, owner, claims, income, stranger } = await networkHelpers.loadFixture(earned)
    await expect(rewards.connect(stranger).claimMany(...claims)).to.changeEtherBalance(ethers, owner, income)
    await expect(cooperative.collect()).to.emit(cooperative, 'Income').withArgs(income)
  })

  it('leaves earlier income with who sells shares', async () => {
    const { cooperative, members: [founder, seller, buyer], claims, income } = await networkHelpers.loadFixture(earned)
    await cooperative.claim(...claims)
    await cooperative.connect(seller).transfer(buyer, SHARES[1])
    await founder.sendTransaction({ to: cooperative, value: ethers.parseEther('10') })
    expect(await cooperative.withdrawable(seller)).to.be.closeTo(income * 30n / 100n, 1)
    expect(await cooperative.withdrawable(buyer)).to.be.closeTo(income * 20n / 100n + ethers.parseEther('5'), 2)
  })

  it('cannot claim before a reward is unlocked, nor more than once', async () => {
    const { rewards, cooperative, epochs, devices, owner } = await networkHelpers.loadFixture(founded)
    const [device] = devices
    const { rewards: [{ reward, index, siblings }] } = await epochs.finish({ subsidies: [{ device, owner, microUsd: SUBSIDY }] })
    await expect(rewards.claim(reward, index, siblings)).to.be.revertedWithCustomError(rewards, 'StillLocked')
    const { subsidyFrom } = await rewards.unlocks(reward.epoch)
    await epochs.goTo(epochs.startMs(subsidyFrom))
    await expect(rewards.claim(reward, index, siblings)).to.changeEtherBalance(ethers, cooperative, reward.subsidyStones)
    await expect(rewards.claim(reward, index, siblings)).to.be.revertedWithCustomError(rewards, 'AlreadyClaimed')
  })
})
