"""The model in radCAD with its defaults, in this process."""
import time

import model
from radcad import Engine, Experiment, Model, Simulation
from radcad.engine import Backend

simulation = Simulation(
    model=Model(initial_state=model.initial(), state_update_blocks=model.BLOCKS, params={}),
    timesteps=len(model.DEMAND),
    runs=1,
)
experiment = Experiment([simulation])
experiment.engine = Engine(backend=Backend.SINGLE_PROCESS)
begun = time.process_time()
rows = experiment.run()
model.report([rows[-1][name] for name in model.NAMES], time.process_time() - begun)
