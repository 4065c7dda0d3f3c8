// How every contract here is compiled, by Hardhat and by build.js alike.

export const version = '0.8.37'
export const settings = {
  evmVersion: 'osaka',
  optimizer: { enabled: true, runs: 200 },
  // No hash of the metadata: comments and paths do not change the code.
  metadata: { bytecodeHash: 'none', appendCBOR: false },
}
