// node dist/check.js FILE genesis.toml: exits 0 only if the proof holds.

import { readFileSync } from "node:fs";

import { Refused, checkObject, trustOf } from "./light.js";

const [file, genesis] = process.argv.slice(2);
if (file === undefined || genesis === undefined) {
  console.error("usage: node dist/check.js PROOF.json genesis.toml");
  process.exit(2);
}
try {
  const proven = checkObject(JSON.parse(readFileSync(file, "utf8")), trustOf(readFileSync(genesis)));
  console.log(JSON.stringify(proven, null, 2));
} catch (error) {
  if (!(error instanceof Refused)) throw error;
  console.error(`refused: ${error.message}`);
  process.exit(1);
}
