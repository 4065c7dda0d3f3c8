// The golden vectors: what every verifier accepts, and what it refuses. The Rust verifier writes and reads the same file.

import { deepEqual, ok, throws } from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { Refused, type Proven, type Trust, checkObject, trustOf } from "./light.js";

type Object = Proven & { proof: string };
type Change = { flip?: [number, number]; cut?: number; append?: string; number?: number; certified?: number; trust?: Trust };
interface Vectors {
  trust: Trust;
  valid: { name: string; object: Object }[];
  refused: { of: string; change: Change }[];
}

const vectors = JSON.parse(readFileSync(new URL("../vectors.json", import.meta.url), "utf8")) as Vectors;

/** A valid object with one change. */
function changed(object: Object, change: Change): Object {
  const bytes = Buffer.from(object.proof.slice(2), "hex");
  if (change.flip) bytes[change.flip[0]]! ^= 1 << change.flip[1];
  const kept = bytes.subarray(0, bytes.length - (change.cut ?? 0)).toString("hex");
  return {
    ...object,
    block: { ...object.block, number: change.number ?? object.block.number },
    certified: change.certified ?? object.certified,
    proof: `0x${kept}${change.append?.slice(2) ?? ""}`,
  };
}

for (const { name, object } of vectors.valid) {
  test(`accepts: ${name}`, () => {
    const { proof: _, ...proven } = object;
    deepEqual(checkObject(object, vectors.trust), proven);
  });
  test(`refuses every change of: ${name}`, () => {
    const cases = vectors.refused.filter((refused) => refused.of === name);
    ok(cases.length > 20);
    for (const { change } of cases) {
      const trust = change.trust ?? vectors.trust;
      throws(() => checkObject(changed(object, change), trust), Refused, JSON.stringify(change));
    }
  });
}

test("no object of another shape is a proof", () => {
  for (const object of [null, 1, "0x", [], {}, { proof: 1 }, { proof: "0x" }, { proof: "0x1" }, { proof: "0xzz" }]) {
    throws(() => checkObject(object, vectors.trust), Refused);
  }
});

test("trust is read from a genesis file", () => {
  const key = `0x${"ab".repeat(32)}`;
  const text = `# consensus_key = "0x00"\n[[validators]]\nname = "a"\nconsensus_key = "${key}"\n`;
  deepEqual(trustOf(new TextEncoder().encode(text)).validators, [key]);
});
