// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

/// Votes of locked stones on the economy's parameters, the treasury's streams and the guardian. On networks whose genesis has
/// a [governance] table. Rules: docs/spec/governance.md.
interface IGovernance {
    /// weight: what it would vote with on a proposal made now.
    struct Lock {
        uint64 id;
        address owner;
        uint256 stones;
        uint64 untilMs;
        bool released;
        uint256 weight;
    }

    /// A parameter (by number, docs/spec/governance.md) and its new value.
    struct Change {
        uint8 parameter;
        uint64 value;
    }

    /// A parameter that may be moved: its value from the next day on, and what genesis allows. step: within 30 days.
    struct Bound {
        uint8 parameter;
        string name;
        uint64 value;
        uint64 low;
        uint64 high;
        uint64 step;
    }

    /// The economy's movable parameters, and the day from which they are in force.
    struct Parameters {
        uint64 fromDay;
        uint32 feeBurnPpm;
        uint32 feeTreasuryPpm;
        uint32 feeInsurancePpm;
        uint32 burnSharePpm;
        uint32 matchPpm;
        uint32 taperPpm;
        uint32 cellTarget;
        uint32 targetCells;
        uint64 deviceCostMicroUsdDay;
    }

    /// A stream that a proposal would open.
    struct Terms {
        address recipient;
        bool insider;
        uint256 stones;
        uint64 startMs;
        uint64 lengthMs;
        uint8 milestones;
    }

    /// kind: 1 parameters, 2 stream, 3 milestone of a stream, 4 end of a stream, 5 guardian.
    /// status: 1 voting, 2 rejected, 3 without quorum, 4 timelocked, 5 ready, 6 expired, 7 executed, 8 closed.
    /// subject and index: the stream and its milestone. yesStones is held against quorum, weights decide.
    struct Proposal {
        uint64 id;
        address proposer;
        uint8 kind;
        uint8 status;
        bytes32 simulation;
        uint64 startMs;
        uint64 votingEndMs;
        uint64 readyMs;
        uint64 expiresMs;
        bool delayed;
        uint256 yesWeight;
        uint256 noWeight;
        uint256 yesStones;
        uint256 noStones;
        uint256 quorum;
        uint256 deposit;
        uint64 subject;
        uint8 index;
        address nominee;
    }

    event Locked(uint64 indexed id, address indexed owner, uint256 stones, uint64 untilMs);
    event Released(uint64 indexed id, address indexed owner, uint256 stones);
    event Proposed(uint64 indexed id, address indexed proposer, uint8 kind, bytes32 simulation, uint64 votingEndMs, uint256 quorum);
    event Voted(uint64 indexed id, uint64 indexed lock, bool yes, uint256 weight, uint256 stones);
    event Delayed(uint64 indexed id, uint64 readyMs);
    event Executed(uint64 indexed id, uint8 kind);
    event Closed(uint64 indexed id, uint8 status, uint256 returned, uint256 burned);
    event ParametersSet(uint64 indexed proposal, uint64 indexed fromDay, Parameters parameters);
    event GuardianSet(address indexed guardian);

    error UnknownLock(uint64 id);
    error NotOwner(uint64 id, address caller);
    error LockReleased(uint64 id);
    error LockNotOver(uint64 id, uint64 untilMs);
    error LockTooSmall(uint256 stones, uint256 least);
    /// The lock was made at sinceMs, not before the proposal.
    error LockTooYoung(uint64 id, uint64 sinceMs, uint64 startMs);
    /// The lock had leftDays left when the proposal began.
    error NoWeight(uint64 id, uint64 leftDays, uint64 leastDays);
    error UnknownProposal(uint64 id);
    error NoSimulation();
    error DepositTooSmall(uint256 deposit, uint256 least);
    error VotingOver(uint64 id, uint64 endMs);
    error VotingOpen(uint64 id, uint64 endMs);
    error AlreadyVoted(uint64 id, uint64 lock);
    error QuorumMissed(uint64 id, uint256 yesStones, uint256 quorum);
    error Rejected(uint64 id, uint256 yesWeight, uint256 noWeight);
    error TimelockOpen(uint64 id, uint64 readyMs);
    error TimelockOver(uint64 id, uint64 readyMs);
    error Expired(uint64 id, uint64 untilMs);
    error ProposalClosed(uint64 id, uint8 status);
    /// It passed, and can still be carried out.
    error StillOpen(uint64 id, uint8 status);
    error NotGuardian(address caller, address guardian);
    error AlreadyDelayed(uint64 id, uint64 readyMs);
    error NotMovable(uint8 parameter);
    error OutOfBounds(uint8 parameter, uint64 value, uint64 low, uint64 high);
    error FeesTooHigh(uint64 ppm, uint64 most);
    /// Further than a step from a value of the last 30 days.
    error TooFast(uint8 parameter, uint64 value, uint64 low, uint64 high);
    /// The coverage need moves by a tenth within 30 days.
    error NeedTooFast(uint64 needMicroUsd, uint64 low, uint64 high);
    error NothingNew();

    /// Locks the stones sent until a time 180 to 1,461 days away.
    function lock(uint64 untilMs) external payable returns (uint64 id);
    /// Adds the stones sent to a lock that has 180 days left or more.
    function add(uint64 id) external payable;
    /// Moves the end of a lock away.
    function extend(uint64 id, uint64 untilMs) external;
    /// Pays an ended lock back to its owner. Anyone may.
    function release(uint64 id) external returns (uint256 stones);

    /// Each takes a deposit, which is burned when the proposal misses its quorum, and the run hash of a simulation.
    function proposeParameters(bytes32 simulation, Change[] calldata changes) external payable returns (uint64 id);
    function proposeStream(bytes32 simulation, Terms calldata terms) external payable returns (uint64 id);
    function proposeMilestone(bytes32 simulation, uint64 stream, uint8 milestone) external payable returns (uint64 id);
    function proposeEnd(bytes32 simulation, uint64 stream) external payable returns (uint64 id);
    function proposeGuardian(bytes32 simulation, address guardian) external payable returns (uint64 id);

    /// With locks of the caller that are older than the proposal, each once and for good.
    function vote(uint64 id, bool yes, uint64[] calldata lockIds) external;
    /// The guardian's only power: once, and before the timelock is over.
    function delay(uint64 id) external;
    /// After the timelock. Anyone may.
    function execute(uint64 id) external;
    /// Returns the deposit of a proposal that was rejected or expired, burns that of one without quorum. Anyone may.
    function close(uint64 id) external;

    function lockCount() external view returns (uint64);
    function lockOf(uint64 id) external view returns (Lock memory);
    function locksOf(address owner, uint64 from, uint64 limit) external view returns (Lock[] memory);
    /// All stones that are locked.
    function locked() external view returns (uint256);
    function proposalCount() external view returns (uint64);
    function proposal(uint64 id) external view returns (Proposal memory);
    function proposals(uint64 from, uint64 limit) external view returns (Proposal[] memory);
    function changesOf(uint64 id) external view returns (Change[] memory);
    function termsOf(uint64 id) external view returns (Terms memory);
    /// 0 none, 1 yes, 2 no.
    function voteOf(uint64 id, uint64 lockId) external view returns (uint8);
    /// The yes stones that a proposal made now would need, and the most that it could take (docs/spec/governance.md).
    function quorum() external view returns (uint256 stones, uint256 captureStones);
    function guardian() external view returns (address);
    function bounds() external view returns (Bound[] memory);
    /// In force in an epoch's day: fixed when the day begins.
    function parametersOf(uint64 epoch) external view returns (Parameters memory);
    /// Every set of parameters, oldest first: genesis' is not among them.
    function history(uint64 from, uint64 limit) external view returns (Parameters[] memory);
}
