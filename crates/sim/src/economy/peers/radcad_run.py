"""The model in radCAD with its defaults, in this process."""
import time

import model
from radcad import Engine, Experiment, Model, Simulation
from radcad.engine import Backend


def update(params, substep, history, state, signal):
    return "day", model.step(state["day"])


blocks = [{"policies": {}, "variables": {"day": update}}]
simulation = Simulation(
    model=Model(initial_state={"day": model.genesis()}, state_update_blocks=blocks, params={}),
    timesteps=len(model.DEMAND),
    runs=1,
)
experiment = Experiment([simulation])
experiment.engine = Engine(backend=Backend.SINGLE_PROCESS)
begun = time.process_time()
rows = experiment.run()
model.report(rows[-1]["day"], time.process_time() - begun)
