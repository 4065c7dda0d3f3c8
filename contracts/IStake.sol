// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

/// The fixed set of validators and ingests named in genesis. One seat, one bond, one vote.
interface IStake {
    struct Validator {
        address operator;
        bytes32 consensusKey;
        uint256 bond;
    }

    function validators() external view returns (Validator[] memory);
    function isValidator(address operator) external view returns (bool);
    /// Votes needed: the smallest number greater than two thirds of the validators.
    function quorum() external view returns (uint32);
    function ingests() external view returns (address[] memory);
    function isIngest(address operator) external view returns (bool);
}
