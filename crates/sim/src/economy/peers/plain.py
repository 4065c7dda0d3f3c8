"""The model in a plain loop: what Python itself can do."""
import time

import model

state, begun = model.genesis(), time.process_time()
for _ in model.DEMAND:
    state = model.step(state)
model.report(state, time.process_time() - begun)
