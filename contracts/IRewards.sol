// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

/// The agreed result of an epoch, and the owners' claims on it.
interface IRewards {
    /// What may be paid for an epoch: fixed once the epoch before it is final and the epoch itself is over.
    /// Earned amounts are the providers' part, after fees.
    struct Pool {
        uint64 epoch;
        uint64 priceMicroUsd;
        uint64 earnedMicroUsd;
        uint256 earnedStones;
        uint64 usageSubsidyMicroUsd;
        uint64 needSubsidyMicroUsd;
    }

    /// What a validator computed. `needMicroUsd` is the part of the subsidy that draws on the grant.
    struct Result {
        bytes32 verdictRoot;
        bytes32 scoreRoot;
        bytes32 rewardRoot;
        uint32 devices;
        uint256 earnedStones;
        uint256 subsidyStones;
        uint64 usageMicroUsd;
        uint64 needMicroUsd;
    }

    /// One leaf of the reward tree (docs/spec/rewards.md).
    struct Reward {
        uint64 epoch;
        uint8 sector;
        bytes16 device;
        address owner;
        uint64 earnedMicroUsd;
        uint256 earnedStones;
        uint64 subsidyMicroUsd;
        uint256 subsidyStones;
    }

    /// One value of a batch that was accepted: row `row`, field `field` of its schema, as the device signed it.
    /// `value` is the schema's scaled integer (weather: temperature in 1/100 °C); `measured` is false where the device sent none.
    struct Reading {
        bytes16 device;
        uint16 stream;
        uint16 schema;
        uint64 seq;
        uint64 timeMs;
        bool measured;
        int32 value;
    }

    /// Where the votes of an epoch's round stand: `open` once every seat has sealed, or a quorum has and `opensMs` is over
    /// (0 while the set is not frozen).
    struct Ballot {
        uint32 round;
        uint32 seats;
        uint32 seals;
        uint32 votes;
        uint64 opensMs;
        bool open;
    }

    /// `counts`: it came before votes were open.
    event Sealed(uint64 indexed epoch, uint8 indexed sector, address indexed validator, uint32 round, bytes32 voteSeal, bool counts);
    event Voted(uint64 indexed epoch, uint8 indexed sector, address indexed validator, uint32 round, bytes32 resultHash);
    event EpochFinal(uint64 indexed epoch, uint8 indexed sector, bytes32 verdictRoot, bytes32 scoreRoot, bytes32 rewardRoot, uint256 earnedStones, uint256 subsidyStones, uint32 votes);
    /// A validator voted for another result than the final one.
    event Dissent(uint64 indexed epoch, uint8 indexed sector, address indexed validator, bytes32 finalHash, bytes32 votedHash);
    /// No result can reach the quorum any more: votes are cleared and availability is attested again.
    event RoundReopened(uint64 indexed epoch, uint8 indexed sector, uint32 round);
    /// The locked subsidy of a slashed device: 70 % burned, the rest back to the reserve.
    event SubsidyForfeited(bytes16 indexed device, uint64 indexed epoch, uint256 burned, uint256 returned);
    event Claimed(bytes16 indexed device, address indexed owner, uint64 indexed epoch, uint256 earnedStones, uint256 subsidyStones);

    error NotValidator(address caller);
    error NotNextEpoch(uint64 epoch, uint64 next);
    error SetNotFrozen(uint64 epoch);
    error WrongRound(uint32 round, uint32 current);
    error DoubleVote(uint64 epoch, address validator);
    error AlreadySealed(uint64 epoch, uint32 round, address validator);
    /// Votes are not open yet: `seals` of `needed` seats have sealed, and the seal window is over at `opensMs`.
    error VotesSealed(uint64 epoch, uint32 seals, uint32 needed, uint64 opensMs);
    /// The seat sealed another result, or with another salt.
    error SealMismatch(uint64 epoch, uint32 round, address validator);
    error PoolExceeded(string part, uint256 asked, uint256 pool);
    error EpochNotFinal(uint64 epoch);
    error BadProof(uint64 epoch, bytes16 device);
    /// The bytes are no envelope: `code` is the rejection that says why (docs/spec/rejections.md).
    error BadEnvelope(uint16 code);
    error AlreadyClaimed(uint64 epoch, bytes16 device);
    /// Nothing of this reward is unlocked yet: earned from epoch `earnedFrom` (2^64 - 1 while the reserve still owes it),
    /// subsidy from epoch `subsidyFrom`.
    error StillLocked(uint64 earnedFrom, uint64 subsidyFrom);
    /// The device was slashed at `slashedEpoch`; its subsidy was still locked, is forfeited, and nothing else is unpaid.
    error Forfeited(bytes16 device, uint64 slashedEpoch);

    /// By a validator, once a round, before votes are open: voteSeal = keccak256(abi.encode(validator, epoch, sector, round,
    /// keccak256(abi.encode(result)), salt)), with a salt that nobody else can guess. Later it is taken too, and counts for nothing.
    function seal(uint64 epoch, uint8 sector, uint32 round, bytes32 voteSeal) external;
    /// By a validator, once a round, once votes are open: for the result that it sealed, with the salt. A seat that did not
    /// seal may vote too, with any salt; its vote counts and is not paid.
    function vote(uint64 epoch, uint8 sector, uint32 round, Result calldata result, bytes32 salt) external;
    /// Pays the owner what is unlocked and unpaid of one reward, and carries out a forfeiture. Anyone may call it.
    function claim(Reward calldata reward, uint32 index, bytes32[] calldata proof) external returns (uint256 stones);
    /// Many claims at once: `proofs` are concatenated, `lengths[i]` siblings belong to reward i. Locked and
    /// paid parts are skipped.
    function claimMany(Reward[] calldata rewards, uint32[] calldata indices, bytes32[] calldata proofs, uint8[] calldata lengths) external returns (uint256 stones);

    /// Reverts with EpochNotFinal while the epoch before is not final. While the epoch itself runs, its earnings still grow.
    function pool(uint64 epoch, uint8 sector) external view returns (Pool memory);
    function ballot(uint64 epoch, uint8 sector) external view returns (Ballot memory);
    /// The next epoch to become final, per sector.
    function nextEpoch(uint8 sector) external view returns (uint64);
    function result(uint64 epoch, uint8 sector) external view returns (Result memory);
    /// bit 0: earned part paid, bit 1: subsidy paid or forfeited, bit 2: subsidy forfeited.
    function claimed(uint64 epoch, bytes16 device) external view returns (uint8);
    /// A value of an accepted batch. `envelope` is what the device signed; `proof` leads from its verdict leaf to the verdict root
    /// of the final epoch, which has `count` leaves. Reverts with BadProof for a batch that was not accepted in that epoch.
    function reading(uint64 epoch, uint8 sector, bytes calldata envelope, uint32 row, uint8 field, uint32 index, uint32 count, bytes32[] calldata proof) external view returns (Reading memory);
    /// Whether `leaf` is a leaf of a final epoch's tree: 1 = verdicts, 2 = scores, 3 = rewards. (For 3, `count` must be the
    /// result's `devices`; for the others it comes from the prover, and only that the leaf is in the tree is proven, not its index.)
    function isLeaf(uint64 epoch, uint8 sector, uint8 tree, bytes calldata leaf, uint32 index, uint32 count, bytes32[] calldata proof) external view returns (bool);
    /// Epochs from which the parts of a reward of `epoch` may be claimed.
    function unlocks(uint64 epoch) external view returns (uint64 earnedFrom, uint64 subsidyFrom);
}
