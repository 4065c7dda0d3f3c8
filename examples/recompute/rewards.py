"""The split of an epoch's pool: docs/spec/rewards.md section 2 and docs/spec/economy.md."""

from leaves import sha256

NOVELTY = 720_720
STONE = 10**18


def ppm(amount, parts):
    return amount * parts // 1_000_000


def provider_share(amount, economy):
    fees = ("fee_burn_ppm", "fee_treasury_ppm", "fee_insurance_ppm")
    return amount - sum(ppm(amount, economy[fee]) for fee in fees)


def novelty(rank, target):
    return NOVELTY // rank if rank <= target else 0


def largest_remainder(pool, weights):
    """Shares of `pool` in proportion; `weights` in the order that breaks ties. The sum is exact."""
    total = sum(weights)
    if total == 0:
        return [0] * len(weights)
    shares = [pool * w // total for w in weights]
    by_remainder = sorted(range(len(weights)), key=lambda i: (-(pool * weights[i] % total), i))
    for i in by_remainder[: pool - sum(shares)]:
        shares[i] += 1
    return shares


def ranks(devices):
    """Rank of each scored device in its cell, and the cells in the order of their first registration."""
    cells = {}
    for device in devices:
        cells.setdefault(device["cell"], []).append(device)
    ranked = {}
    for inside in cells.values():
        of_owner = {}
        keys = []
        for device in sorted(inside, key=lambda d: (d["index"], d["id"])):
            number = of_owner.get(device["owner"], 0) + 1
            of_owner[device["owner"]] = number
            keys.append((number, device["index"], device["id"]))
        for rank, (_, _, id) in enumerate(sorted(keys), start=1):
            ranked[id] = rank
    order = sorted(cells, key=lambda cell: (min(d["index"] for d in cells[cell]), cell))
    return ranked, order


def split(pool, economy, devices, earned):
    """Rewards in leaf order. `devices`: with id, owner, cell, index, score; `earned`: {id: paid}."""
    devices = sorted(devices, key=lambda d: (sha256(d["id"]), d["id"]))
    paid = [earned.get(device["id"], 0) for device in devices]
    total_paid = sum(paid)
    money = largest_remainder(pool["earned"], paid)
    stones = largest_remainder(pool["earned_stones"], paid)
    scored = [device for device in devices if device["score"] > 0]
    ranked, cells = ranks(scored)
    targets = set(cells[: economy["target_cells"]])
    target = min(economy["cell_target"], 1024)
    whole = sum(novelty(rank, target) for rank in range(1, target + 1))
    budget = pool["need"] // economy["target_cells"] if economy["target_cells"] else 0
    rewards, usage_sum, need_sum = [], 0, 0
    for device, w, earned_money, earned_stones in zip(devices, paid, money, stones):
        usage = need = 0
        if device["score"] > 0:
            if total_paid:
                cap = ppm(ppm(w, economy["fee_burn_ppm"]), economy["match_ppm"])
                usage = min(pool["usage"] * w // total_paid, cap)
            if device["cell"] in targets and whole:
                weight = device["score"] * novelty(ranked[device["id"]], target)
                need = budget * weight // (1000 * whole)
        usage_sum += usage
        need_sum += need
        rewards.append(
            {
                "device": device["id"],
                "owner": device["owner"],
                "earned": earned_money,
                "earned_stones": earned_stones,
                "subsidy": usage + need,
                "subsidy_stones": (usage + need) * STONE // pool["price"],
            }
        )
    return rewards, usage_sum, need_sum
