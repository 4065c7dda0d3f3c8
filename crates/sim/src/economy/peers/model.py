"""The day of Cairn's economy in plain Python integers: docs/spec/economy.md, one sector, one epoch a day, constant price.

Written from the specification, for frameworks to step. A state is a tuple of integers; `final` is its hash.
"""
import hashlib
import json
import sys

STONE, PPM, KAPPA = 10**18, 1_000_000, 2_037_193
with open(sys.argv[1]) as file:
    INPUT = json.load(file)
P = INPUT["economy"]
DEMAND = INPUT["demand"]
PRICE = P["price_micro_usd"]
C = P["target_cells"] * P["cell_target"] * P["device_cost_micro_usd_day"]


def stones(usd):
    return usd * STONE // PRICE


def usd(base):
    return base * PRICE // STONE


def fees(paid):
    burn, treasury, insurance = (paid * P[f"fee_{k}_ppm"] // PPM for k in ("burn", "treasury", "insurance"))
    return burn, treasury, insurance, paid - burn - treasury - insurance


def budgets(reserve, drawn, income, burn, grant):
    emission = reserve * KAPPA >> 32
    budget = usd(max(0, emission - drawn))
    gap = max(0, C - income * P["taper_ppm"] // PPM)
    by_burn = min(budget * P["burn_share_ppm"] // PPM, 9 * burn * P["match_ppm"] // PPM)
    usage = min(by_burn if burn else 0, gap)
    need = min(budget - by_burn if gap else 0, usd(grant // 365), gap - usage)
    return emission, usage, need


def genesis():
    reserve, grant = P["reserve_stones"] * STONE, P["grant_stones"] * STONE
    return (0, reserve, 0, 0, grant) + budgets(reserve, 0, 0, 0, grant)


def step(state):
    day, reserve, income, burn, grant, emission, usage, need = state
    paid = DEMAND[day]
    burned, treasury, insurance, provider = fees(paid)
    owed = stones(provider) + stones(insurance) + stones(treasury)
    drawn = min(max(0, owed - stones(paid)), emission + (reserve >> 6), reserve)
    reserve -= drawn
    usage = min(usage, paid * P["fee_burn_ppm"] // PPM * P["match_ppm"] // PPM)
    out = stones(usage + need)
    reserve -= out
    matched = max(0, -(-out * PRICE // STONE) - need)
    grant = max(0, grant - (need * STONE + PRICE - 1) // PRICE)
    used = (matched * PPM + P["match_ppm"] - 1) // P["match_ppm"]
    income = (29 * income + provider) // 30
    burn = max(0, 29 * burn + burned - used) // 30
    return (day + 1, reserve, income, burn, grant) + budgets(reserve, drawn, income, burn, grant)


NAMES = ("day", "reserve", "income", "burn", "grant", "emission", "usage", "need")


def policy(params, substep, history, state, *_):
    """A framework's policy: the whole step as a signal, one entry a state variable."""
    return dict(zip(NAMES, step(tuple(state[name] for name in NAMES))))


def variable(name):
    """A framework's state update: the variable's entry of the signal."""
    return lambda params, substep, history, state, signal, *_: (name, signal[name])


BLOCKS = [{"policies": {"day": policy}, "variables": {name: variable(name) for name in NAMES}}]


def initial():
    return dict(zip(NAMES, genesis()))


def final(state):
    return hashlib.sha256(",".join(map(str, state)).encode()).hexdigest()


def report(state, cpu_s):
    print(json.dumps({"hash": final(state), "steps": state[0], "cpu_s": cpu_s}))
