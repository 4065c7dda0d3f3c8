"""The model in cadCAD with its defaults, in this process."""
import contextlib
import os
import time

import model
from cadCAD.configuration import Experiment
from cadCAD.configuration.utils import config_sim
from cadCAD.engine import ExecutionContext, ExecutionMode, Executor

experiment = Experiment()
experiment.append_model(
    model_id="cairn",
    sim_configs=config_sim({"N": 1, "T": range(len(model.DEMAND))}),
    initial_state=model.initial(),
    partial_state_update_blocks=model.BLOCKS,
)
with open(os.devnull, "w") as quiet, contextlib.redirect_stdout(quiet):
    executor = Executor(exec_context=ExecutionContext(ExecutionMode().local_mode), configs=experiment.configs)
    begun = time.process_time()
    rows, _, _ = executor.execute()
    spent = time.process_time() - begun
model.report([rows[-1][name] for name in model.NAMES], spent)
