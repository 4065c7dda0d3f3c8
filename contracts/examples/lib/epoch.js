// Epochs of a development chain. It has no validators that vote, but genesis names some: here they are impersonated, and vote for
// what a test decides, so that contracts that ask for verified readings and rewards can be tested as they are.

import { Interface, solidityPacked, toBeHex } from 'ethers'
import { encode } from './cbor.js'
import { SENSING, sha256 } from './device.js'
import { Tree } from './merkle.js'

export const addresses = {
  registry: '0xCa14000000000000000000000000000000000002',
  rewards: '0xCA14000000000000000000000000000000000004',
  stake: '0xca14000000000000000000000000000000000006',
  economy: '0xca14000000000000000000000000000000000007',
}

const abi = new Interface([
  'function vote(uint64 epoch, uint8 sector, uint32 round, (bytes32 verdictRoot, bytes32 scoreRoot, bytes32 rewardRoot, uint32 devices, uint256 earnedStones, uint256 subsidyStones, uint64 usageMicroUsd, uint64 needMicroUsd) result, bytes32 salt)',
  'function nextEpoch(uint8 sector) view returns (uint64)',
  'function pool(uint64 epoch, uint8 sector) view returns ((uint64 epoch, uint64 priceMicroUsd, uint64 earnedMicroUsd, uint256 earnedStones, uint64 usageSubsidyMicroUsd, uint64 needSubsidyMicroUsd))',
  'function validators() view returns ((address operator, bytes32 consensusKey, uint256 bond)[])',
  'function networkTimeMs() view returns (uint64)',
])
const STONE = 10n ** 18n
/** Gas of a vote: more than it needs, and no more than a system transaction may ask for. */
const VOTE_GAS = '0x7a1200'
/** Votes of a development chain are not sealed (`stake.seal_window_ms = 0`). */
const NO_SALT = `0x${'0'.repeat(64)}`

export class Epochs {
  /** `send` is a provider's: method, parameters. */
  static async of(send) {
    const text = await send('cairn_genesis', [])
    const ms = (name) => BigInt(text.match(new RegExp(`^${name} = (\\d+)$`, 'm'))[1])
    const { genesis } = await send('cairn_status', [])
    return new Epochs(send, { hash: genesis, startMs: ms('start_ms'), epochMs: ms('epoch_ms'), windowsMs: ms('commit_window_ms') + ms('attest_window_ms') })
  }

  constructor(send, genesis) { Object.assign(this, { send, genesis }) }

  async ask(to, name, ...args) {
    const answer = await this.send('eth_call', [{ to, data: abi.encodeFunctionData(name, args) }, 'latest'])
    return abi.decodeFunctionResult(name, answer)[0]
  }

  startMs(epoch) { return this.genesis.startMs + BigInt(epoch) * this.genesis.epochMs }
  nowMs() { return this.ask(addresses.economy, 'networkTimeMs') }
  next() { return this.ask(addresses.rewards, 'nextEpoch', SENSING) }

  /** Goes to this network time, unless it is over. */
  async goTo(timeMs) {
    const seconds = (BigInt(timeMs) + 999n) / 1_000n
    if (await this.nowMs() >= seconds * 1_000n) return
    await this.send('evm_setNextBlockTimestamp', [toBeHex(seconds)])
    await this.send('evm_mine', [])
  }

  /**
   * Makes the next epoch final, as if nobody had committed to anything else: these batches are accepted, and these owners get
   * these subsidies in µUSD. Returns the epoch with what proves each of them.
   */
  async finish({ batches = [], subsidies = [] } = {}) {
    const epoch = await this.next()
    await this.goTo(this.startMs(epoch + 1n) + this.genesis.windowsMs)
    const pool = await this.ask(addresses.rewards, 'pool', epoch, SENSING)
    const rewards = subsidies.map(({ device, owner, microUsd }) => ({
      epoch, sector: SENSING, device: device.hexId, owner, earnedMicroUsd: 0n, earnedStones: 0n,
      subsidyMicroUsd: microUsd, subsidyStones: microUsd * STONE / pool.priceMicroUsd,
    })).sort((a, b) => Buffer.compare(sha256(id(a)), sha256(id(b))))
    const verdicts = new Tree(batches.map((batch) => verdictLeaf(epoch, batch)))
    const paid = new Tree(rewards.map(rewardLeaf))
    await this.vote(epoch, {
      verdictRoot: verdicts.root, scoreRoot: new Tree([]).root, rewardRoot: paid.root, devices: rewards.length,
      earnedStones: 0n, subsidyStones: rewards.reduce((sum, reward) => sum + reward.subsidyStones, 0n),
      usageMicroUsd: 0n, needMicroUsd: subsidies.reduce((sum, { microUsd }) => sum + microUsd, 0n),
    })
    return {
      epoch,
      readings: batches.map(({ envelope }, index) => ({ epoch, envelope, index, count: batches.length, siblings: verdicts.proof(index) })),
      rewards: rewards.map((reward, index) => ({ reward, index, siblings: paid.proof(index) })),
    }
  }

  /** Lets validators vote for this result until it is final. A vote is a system transaction: it pays no fee. */
  async vote(epoch, result) {
    const data = abi.encodeFunctionData('vote', [epoch, SENSING, 0, result, NO_SALT])
    for (const { operator } of await this.ask(addresses.stake, 'validators')) {
      await this.send('hardhat_impersonateAccount', [operator])
      await this.send('eth_sendTransaction', [{
        from: operator, to: addresses.rewards, data, gas: VOTE_GAS, maxFeePerGas: '0x0', maxPriorityFeePerGas: '0x0',
      }])
      await this.send('hardhat_stopImpersonatingAccount', [operator])
      if (await this.next() > epoch) return
    }
    throw new Error(`all validators voted, and epoch ${epoch} is not final`)
  }
}

const id = (reward) => Buffer.from(reward.device.slice(2), 'hex')

/** docs/spec/leaves.md: accepted, so the rejection is 0. */
const verdictLeaf = (epoch, { device, envelope, firstSeq, rows }) =>
  encode([1, SENSING, epoch, sha256(Buffer.from([0]), envelope), device.id, 0, firstSeq, rows, 0])

/** docs/spec/rewards.md. */
const rewardLeaf = (reward) => Buffer.from(solidityPacked(
  ['uint64', 'uint8', 'bytes16', 'address', 'uint64', 'uint128', 'uint64', 'uint128'],
  [reward.epoch, reward.sector, reward.device, reward.owner, reward.earnedMicroUsd, reward.earnedStones, reward.subsidyMicroUsd, reward.subsidyStones],
).slice(2), 'hex')
