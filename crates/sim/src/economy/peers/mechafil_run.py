"""mechaFIL's minting of the days in the input, cumulative, at constant raw-byte power: simple and baseline, in FIL."""
import json
import sys

import numpy as np
from mechafil import minting

with open(sys.argv[1]) as file:
    asked = json.load(file)
days = np.arange(1, asked["days"] + 1)
exa_to_eib = 10**18 / 2**60
baseline = minting.BASELINE_STORAGE * exa_to_eib * np.exp(minting.GROWTH_RATE * np.arange(asked["days"]))
capped = np.minimum(baseline, float(asked["power_bytes"])).cumsum()
simple = minting.cum_simple_minting(days)
based = minting.cum_baseline_reward(minting.network_time(capped))
print(json.dumps({"simple": simple.tolist(), "baseline": based.tolist()}))
