// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

import {Address} from "@openzeppelin/contracts/utils/Address.sol";
import {Cairn} from "cairn-contracts/Cairn.sol";
import {IRewards} from "cairn-contracts/IRewards.sol";

/// Pays the insured when a device's **verified** reading is at or above (or at or below) a threshold within a period; after it,
/// and some time for proofs to be made, the writer takes the stones back.
///
/// Whoever sends the proof brings the batch as the device signed it and the path from its verdict to the verdict root that
/// more than two thirds of the validators voted for; REWARDS checks both. The contract trusts no oracle of its own.
contract WeatherAgreement {
    using Address for address payable;

    struct Terms {
        address payable insured;
        bytes16 device;
        uint16 schema;
        uint8 field;
        bool above;
        int32 threshold;
        uint64 fromMs;
        uint64 untilMs;
        /// From this network time on the writer may take the stones back, if nothing was proven.
        uint64 proofsUntilMs;
    }

    /// A batch and its place in an epoch's verdicts (docs/spec/rewards.md).
    struct Proof {
        uint64 epoch;
        bytes envelope;
        uint32 row;
        uint32 index;
        uint32 count;
        bytes32[] siblings;
    }

    address payable public immutable writer;
    Terms public terms;
    bool public settled;

    event Paid(bytes16 indexed device, uint64 seq, int32 value, uint256 stones);
    event Returned(uint256 stones);

    error BadTerms();
    error AlreadySettled();
    error OtherDevice(bytes16 device);
    error OtherSchema(uint16 schema);
    error OutsidePeriod(uint64 timeMs);
    error NotReached(bool measured, int32 value);
    error TooEarly(uint64 nowMs, uint64 proofsUntilMs);

    /// The value sent is the sum that is insured.
    constructor(Terms memory t) payable {
        Cairn.REGISTRY.get(t.device); // reverts for a device that nobody registered
        if (t.insured == address(0) || t.fromMs > t.untilMs || t.untilMs > t.proofsUntilMs) revert BadTerms();
        writer = payable(msg.sender);
        terms = t;
    }

    /// Pays the insured; anyone may bring the proof.
    function prove(Proof calldata p) external {
        if (settled) revert AlreadySettled();
        Terms memory t = terms;
        IRewards.Reading memory r =
            Cairn.REWARDS.reading(p.epoch, Cairn.SENSING, p.envelope, p.row, t.field, p.index, p.count, p.siblings);
        if (r.device != t.device) revert OtherDevice(r.device);
        if (r.schema != t.schema) revert OtherSchema(r.schema);
        if (r.timeMs < t.fromMs || r.timeMs > t.untilMs) revert OutsidePeriod(r.timeMs);
        bool reached = t.above ? r.value >= t.threshold : r.value <= t.threshold;
        if (!r.measured || !reached) revert NotReached(r.measured, r.value);
        settled = true;
        uint256 stones = address(this).balance;
        emit Paid(r.device, r.seq, r.value, stones);
        t.insured.sendValue(stones);
    }

    /// Returns the stones to the writer when the time for proofs is over.
    function close() external {
        if (settled) revert AlreadySettled();
        uint64 nowMs = Cairn.ECONOMY.networkTimeMs();
        if (nowMs < terms.proofsUntilMs) revert TooEarly(nowMs, terms.proofsUntilMs);
        settled = true;
        uint256 stones = address(this).balance;
        emit Returned(stones);
        writer.sendValue(stones);
    }
}
