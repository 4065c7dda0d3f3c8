// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

/// Which evidence exists for an epoch: ingests commit roots, validators attest that they hold the files.
interface IBatches {
    /// root: Merkle root over the sealed envelopes; digest: SHA-256 of the sidecar file, which names the readings file.
    struct Commitment {
        address ingest;
        bytes32 root;
        bytes32 digest;
        uint32 count;
        uint64 size;
    }

    /// phase: 0 = open (epoch not over), 1 = committing, 2 = attesting, 3 = frozen. `included`: bit i = commitment i is in.
    struct Status {
        uint8 phase;
        uint32 round;
        uint32 commitments;
        uint32 attestations;
        uint256 included;
    }

    event BatchCommitted(uint64 indexed epoch, uint8 indexed sector, address indexed ingest, uint32 index, bytes32 root, bytes32 digest, uint32 count, uint64 size);
    event Attested(uint64 indexed epoch, uint8 indexed sector, address indexed validator, uint32 round, uint256 held);
    event SetFrozen(uint64 indexed epoch, uint8 indexed sector, uint32 round, uint256 included);

    error NotIngest(address caller);
    error NotValidator(address caller);
    error EpochNotOver(uint64 epoch, uint64 currentEpoch);
    error CommitWindowClosed(uint64 epoch, uint64 nowMs, uint64 closedMs);
    error AlreadyCommitted(uint64 epoch, address ingest);
    error TooManyCommitments(uint64 epoch, uint256 limit);
    error AlreadyAttested(uint64 epoch, uint32 round, address validator);
    error AlreadyFrozen(uint64 epoch);
    error UnknownCommitment(uint64 epoch, uint256 held);
    error AttestWindowNotOpen(uint64 epoch, uint64 nowMs, uint64 opensMs);

    /// By an ingest, once an epoch and sector, after the epoch's end and before its commit window closes.
    function commit(uint64 epoch, uint8 sector, bytes32 root, bytes32 digest, uint32 count, uint64 size) external;
    /// By a validator, once a round, after the commit window: `held` has bit i set when it holds the files of commitment i.
    function attest(uint64 epoch, uint8 sector, uint256 held) external;

    function commitments(uint64 epoch, uint8 sector) external view returns (Commitment[] memory);
    function status(uint64 epoch, uint8 sector) external view returns (Status memory);
}
