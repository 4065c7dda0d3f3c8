// The cast that the tests run: the package of this platform, if there is one; else the one that is installed.

import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const packaged = fileURLToPath(new URL('../node_modules/@foundry-rs/cast-linux-amd64/bin/cast', import.meta.url))
export const program = existsSync(packaged) ? packaged : 'cast'
// Colour codes and proxies of the terminal do not belong in the answers. Seconds for an answer and for a block: a slow machine is no failure.
const patience = { ETH_RPC_TIMEOUT: '1200', ETH_TIMEOUT: '1200' }
export const env = {
  PATH: process.env.PATH, HOME: process.env.HOME, NO_COLOR: '1', NO_PROXY: '*', FOUNDRY_DISABLE_NIGHTLY_WARNING: '1', ...patience,
}
