"""What a script on web3.py does, unmodified: reads, sends, events, errors, filters, WebSocket subscriptions.

CAIRN_RPC, CAIRN_KEY or CAIRN_KEY_FILE as for the other suites; CAIRN_ABI is the output of lib/print-abi.js.
"""

import asyncio
import json
import os
import time
import unittest

from eth_account import Account
from web3 import AsyncWeb3, Web3, WebSocketProvider
from web3.exceptions import ContractCustomError, Web3RPCError
from web3.utils.subscriptions import LogsSubscription, NewHeadsSubscription

RPC = os.environ["CAIRN_RPC"]
ABI = json.loads(open(os.environ["CAIRN_ABI"], encoding="utf-8").read())
SECRET = os.environ.get("CAIRN_KEY") or json.load(open(os.environ["CAIRN_KEY_FILE"], encoding="utf-8"))["secret"]
INIT_CODE, RUNTIME = "0x67602a5f5260205ff35f5260086018f3", "0x602a5f5260205ff3"
# A test that hangs fails, one on a slow machine does not.
DEADLINE_S = 1_200

w3 = Web3(Web3.HTTPProvider(RPC, request_kwargs={"timeout": DEADLINE_S}))
account = Account.from_key(SECRET)


def contract(name, of=w3):
    return of.eth.contract(address=Web3.to_checksum_address(ABI[name]["address"]), abi=ABI[name]["abi"])


def send(transaction):
    """Signs with the next nonce; returns the receipt."""
    nonce = w3.eth.get_transaction_count(account.address, "pending")
    filled = {"from": account.address, "chainId": w3.eth.chain_id, "nonce": nonce, **transaction}
    filled.setdefault("maxPriorityFeePerGas", w3.eth.max_priority_fee)
    filled.setdefault("maxFeePerGas", 2 * w3.eth.get_block("latest")["baseFeePerGas"] + filled["maxPriorityFeePerGas"])
    filled.setdefault("gas", w3.eth.estimate_gas(filled))
    signed = account.sign_transaction(filled)
    return w3.eth.wait_for_transaction_receipt(w3.eth.send_raw_transaction(signed.raw_transaction), timeout=DEADLINE_S)


def mint():
    credits = contract("credits")
    return send({"to": credits.address, "data": credits.encode_abi("mint", []), "value": w3.to_wei(1, "ether")})


class Script(unittest.TestCase):
    def test_reads(self):
        self.assertTrue(w3.is_connected())
        self.assertGreater(w3.eth.get_balance(account.address), 0)
        self.assertEqual(w3.eth.get_block(0, full_transactions=True)["number"], 0)
        self.assertEqual(contract("credits").functions.decimals().call(), 6)
        self.assertGreaterEqual(len(contract("stake").functions.validators().call()), 1)
        history = w3.eth.fee_history(4, "latest", [25, 75])
        self.assertEqual(len(history["baseFeePerGas"]), len(history["gasUsedRatio"]) + 1)

    def test_batches(self):
        with w3.batch_requests() as batch:
            batch.add(w3.eth.get_block("latest"))
            batch.add(w3.eth.get_balance(account.address))
            block, balance = batch.execute()
        self.assertGreaterEqual(block["number"], 0)
        self.assertGreater(balance, 0)

    def test_a_transfer_and_a_decoded_event(self):
        to = Account.create().address
        receipt = send({"to": to, "value": 5})
        self.assertEqual((receipt["status"], receipt["gasUsed"], w3.eth.get_balance(to)), (1, 21_000, 5))
        events = contract("credits").events.Minted().process_receipt(mint())
        self.assertEqual(events[0]["args"]["account"], account.address)

    def test_custom_errors(self):
        with self.assertRaises(ContractCustomError) as bound:
            contract("credits").functions.transfer(Account.create().address, 1).call({"from": account.address})
        self.assertTrue(str(bound.exception.data).startswith(Web3.to_hex(Web3.keccak(text="AccountBound()"))[:10]))
        with self.assertRaises(Web3RPCError) as poor:
            send({"to": account.address, "value": w3.to_wei(10**9, "ether"), "gas": 21_000})
        self.assertIn("insufficient funds", str(poor.exception))

    def test_deploy(self):
        receipt = send({"data": INIT_CODE})
        self.assertEqual(w3.eth.get_code(receipt["contractAddress"]).to_0x_hex(), RUNTIME)
        self.assertEqual(int.from_bytes(w3.eth.call({"to": receipt["contractAddress"]}), "big"), 42)

    def test_filters(self):
        minted = contract("credits").events.Minted.create_filter(from_block="latest")
        pending = w3.eth.filter("pending")
        receipt = mint()
        # Among those of others: the network's own consumer buys credits, too.
        seen, end = [], time.monotonic() + DEADLINE_S
        while receipt["transactionHash"] not in seen and time.monotonic() < end:
            seen += [entry["transactionHash"] for entry in minted.get_new_entries()]
        self.assertIn(receipt["transactionHash"], seen)
        self.assertIn(receipt["transactionHash"], pending.get_new_entries())

    def test_traces(self):
        receipt = mint()
        params = [receipt["transactionHash"].to_0x_hex(), {"tracer": "callTracer"}]
        answer = w3.provider.make_request("debug_traceTransaction", params)
        self.assertEqual(answer["result"]["to"], ABI["credits"]["address"])

    def test_subscriptions(self):
        heads, logs = asyncio.run(asyncio.wait_for(self.subscribe(), DEADLINE_S))
        self.assertEqual([number - heads[0] for number in heads], [0, 1, 2])
        self.assertEqual(logs[0]["address"].lower(), ABI["credits"]["address"])

    async def subscribe(self):
        heads, logs = [], []
        async with AsyncWeb3(WebSocketProvider(RPC.replace("http", "ws", 1), request_timeout=DEADLINE_S)) as live:

            async def ended():
                if len(heads) >= 3 and logs:
                    await live.subscription_manager.unsubscribe_all()

            async def on_head(context):
                if len(heads) < 3:
                    heads.append(context.result["number"])
                await ended()

            async def on_log(context):
                logs.append(context.result)
                await ended()

            address = Web3.to_checksum_address(ABI["credits"]["address"])
            await live.subscription_manager.subscribe([
                NewHeadsSubscription(handler=on_head), LogsSubscription(address=address, handler=on_log),
            ])
            minting = asyncio.create_task(asyncio.to_thread(mint))
            await live.subscription_manager.handle_subscriptions()
            await minting
        return heads, logs


if __name__ == "__main__":
    unittest.main()
