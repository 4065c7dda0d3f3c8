// Compiles src/*.sol with the pinned solc into build/*.json (ABI, creation code). `--check` fails when a file differs from
// what is committed: the same sources, compiler and OpenZeppelin give the same bytes.

import { mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import solc from 'solc'
import { settings } from './compiler.js'

const root = dirname(fileURLToPath(import.meta.url))
const require = createRequire(import.meta.url)
const check = process.argv.includes('--check')

const names = readdirSync(join(root, 'src')).filter((name) => name.endsWith('.sol')).sort()
const sources = Object.fromEntries(names.map((name) => [`examples/src/${name}`, { content: readFileSync(join(root, 'src', name), 'utf8') }]))
const input = {
  language: 'Solidity',
  sources,
  settings: { ...settings, outputSelection: { '*': { '*': ['abi', 'evm.bytecode.object'] } } },
}
// Imports name packages of node_modules: OpenZeppelin, and the interfaces of contracts/.
const find = (path) => ({ contents: readFileSync(require.resolve(path), 'utf8') })

const output = JSON.parse(solc.compile(JSON.stringify(input), { import: find }))
const found = output.errors ?? []
// 'leave' becomes a keyword of a later Solidity; renaming a function of the registry would break its callers.
const serious = found.filter((error) => !error.message.startsWith('"leave" will be promoted'))
serious.forEach((error) => console.error(error.formattedMessage))
if (serious.length) process.exit(1)

mkdirSync(join(root, 'build'), { recursive: true })
let stale = 0
for (const name of names) {
  const contract = name.replace(/\.sol$/, '')
  const { abi, evm } = output.contracts[`examples/src/${name}`][contract]
  const text = `${JSON.stringify({ contract, solc: solc.version(), abi, bytecode: `0x${evm.bytecode.object}` }, null, 1)}\n`
  const path = join(root, 'build', `${contract}.json`)
  if (!check) writeFileSync(path, text)
  else if (readFileSync(path, 'utf8') !== text) {
    console.error(`${path} is not what src/${name} compiles to: run npm run build`)
    stale += 1
  }
}
process.exit(stale ? 1 : 0)
