// The ABI of the native contracts as JSON, for clients in other languages: { credits: { address, abi }, … }.
import { credits, registry, rewards, stake, economy } from './network.js'

// web3.py wants it said that an event is not anonymous and an input not indexed.
const event = (item) => ({ anonymous: false, ...item, inputs: item.inputs.map((input) => ({ indexed: false, ...input })) })
const full = ({ address, abi }) => ({ address, abi: abi.map((item) => (item.type === 'event' ? event(item) : item)) })
const contracts = Object.entries({ credits, registry, rewards, stake, economy })
console.log(JSON.stringify(Object.fromEntries(contracts.map(([name, contract]) => [name, full(contract)]))))
