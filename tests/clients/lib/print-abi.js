// The ABI of the native contracts as JSON, for clients in other languages: { credits: { address, abi }, … }.
import { credits, registry, rewards, stake, economy } from './network.js'

console.log(JSON.stringify({ credits, registry, rewards, stake, economy }))
