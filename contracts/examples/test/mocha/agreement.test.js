// The agreement pays for a verified reading, and for nothing else.

import { expect } from 'chai'
import { network } from 'hardhat'
import { Device, SENSING, TEMPERATURE, WEATHER } from '../../lib/device.js'
import { addresses, Epochs } from '../../lib/epoch.js'

const { ethers, networkHelpers } = await network.getOrCreate()
const send = (method, params) => ethers.provider.send(method, params)
const INSURED_SUM = ethers.parseEther('500')
const HOT = 3_500n

describe('WeatherAgreement', () => {
  // The chain is left as it was found.
  let found
  before(async () => { found = await networkHelpers.takeSnapshot() })
  after(() => found?.restore())

  // A registered station, and an agreement that pays when it measures 35 °C within the next epoch to be judged.
  async function station() {
    const [writer, insured, anybody] = await ethers.getSigners()
    const epochs = await Epochs.of(send)
    const registry = await ethers.getContractAt('IRegistry', addresses.registry)
    const device = new Device()
    const { chainId } = await ethers.provider.getNetwork()
    const bond = await registry.bondRequired(SENSING)
    await registry.register(...device.registration(chainId, writer.address), { value: bond })
    const [fromMs, nowMs] = [epochs.startMs(await epochs.next()), await epochs.nowMs()]
    const terms = {
      insured: insured.address, device: device.hexId, schema: WEATHER, field: TEMPERATURE, above: true, threshold: HOT,
      fromMs, untilMs: fromMs + epochs.genesis.epochMs, proofsUntilMs: nowMs + 10n * epochs.genesis.epochMs,
    }
    const agreement = await ethers.deployContract('WeatherAgreement', [terms], { value: INSURED_SUM })
    // Makes an epoch final in which the station had measured this.
    const measured = async (...temperatures) => {
      const batch = device.envelope(fromMs, temperatures, epochs.genesis.hash)
      const { readings: [reading] } = await epochs.finish({ batches: [batch] })
      return (row) => ({ ...reading, row })
    }
    return { writer, insured, anybody, device, epochs, terms, agreement, measured }
  }

  it('pays when a verified reading reaches the threshold, whoever brings the proof', async () => {
    const { agreement, insured, anybody, device, measured } = await networkHelpers.loadFixture(station)
    const proof = await measured(3_499n, 3_512n)
    const proven = agreement.connect(anybody).prove(proof(1))
    await expect(proven).to.changeEtherBalances(ethers, [agreement, insured], [-INSURED_SUM, INSURED_SUM])
    await expect(proven).to.emit(agreement, 'Paid').withArgs(device.hexId, 2, 3_512, INSURED_SUM)
    expect(await agreement.settled()).to.equal(true)
    await expect(agreement.prove(proof(1))).to.be.revertedWithCustomError(agreement, 'AlreadySettled')
  })

  it('does not pay below the threshold, nor for what no validator accepted', async () => {
    const { agreement, anybody, measured } = await networkHelpers.loadFixture(station)
    const proof = await measured(3_499n, 3_512n)
    await expect(agreement.connect(anybody).prove(proof(0)))
      .to.be.revertedWithCustomError(agreement, 'NotReached').withArgs(true, 3_499)
    const rewards = await ethers.getContractAt('IRewards', addresses.rewards)
    const forged = { ...proof(1), envelope: proof(1).envelope.with(-1, proof(1).envelope.at(-1) ^ 1) }
    await expect(agreement.prove(forged)).to.be.revertedWithCustomError(rewards, 'BadProof')
    const later = { ...proof(1), epoch: proof(1).epoch + 1n }
    await expect(agreement.prove(later)).to.be.revertedWithCustomError(rewards, 'EpochNotFinal')
  })

  it('returns the sum when the time for proofs is over', async () => {
    const { agreement, writer, epochs, terms } = await networkHelpers.loadFixture(station)
    await expect(agreement.close()).to.be.revertedWithCustomError(agreement, 'TooEarly')
    await networkHelpers.time.increaseTo(terms.proofsUntilMs / 1_000n + 1n)
    expect(await epochs.nowMs()).to.be.greaterThan(terms.proofsUntilMs)
    await expect(agreement.close()).to.changeEtherBalance(ethers, writer, INSURED_SUM)
  })

  it('cannot be about a device that nobody registered', async () => {
    const { terms } = await networkHelpers.loadFixture(station)
    const registry = await ethers.getContractAt('IRegistry', addresses.registry)
    const device = new Device().hexId
    await expect(ethers.deployContract('WeatherAgreement', [{ ...terms, device }]))
      .to.be.revertedWithCustomError(registry, 'UnknownDevice').withArgs(device)
  })
})
