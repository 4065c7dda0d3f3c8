import { createRequire } from 'node:module'
import hardhatEthers from '@nomicfoundation/hardhat-ethers'
import hardhatMatchers from '@nomicfoundation/hardhat-ethers-chai-matchers'
import hardhatMocha from '@nomicfoundation/hardhat-mocha'
import hardhatHelpers from '@nomicfoundation/hardhat-network-helpers'
import hardhatNodeTest from '@nomicfoundation/hardhat-node-test-runner'
import { defineConfig } from 'hardhat/config'
import { settings, version } from './compiler.js'

export default defineConfig({
  plugins: [hardhatEthers, hardhatMatchers, hardhatMocha, hardhatHelpers, hardhatNodeTest],
  solidity: {
    version,
    // The compiler of node_modules: the same on every machine, and nothing is downloaded.
    path: createRequire(import.meta.url).resolve('solc/soljson.js'),
    settings,
    // Artifacts of the native contracts' interfaces, for `getContractAt`.
    npmFilesToBuild: ['cairn-contracts/IRegistry.sol', 'cairn-contracts/IRewards.sol'],
  },
  paths: { sources: 'src', tests: { mocha: 'test/mocha', nodejs: 'test/node' } },
  networks: {
    // `cairn up --dev`, instead of Hardhat's own simulation, which has no native contracts.
    default: { type: 'http', chainType: 'l1', url: process.env.CAIRN_DEV_RPC ?? 'http://127.0.0.1:8545' },
  },
  test: { mocha: { timeout: 1_200_000 } },
})
