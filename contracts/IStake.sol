// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

/// Validators: equal seats, filled for a term by the candidates with the most stake; delegation, income, slashing. And the
/// ingests named in genesis. Rules: docs/spec/stake.md.
interface IStake {
    /// A seat of a term. One seat, one bond, one vote.
    struct Validator {
        address operator;
        bytes32 consensusKey;
        uint256 bond;
    }

    /// status: 1 active, 2 leaving, 3 left. jailedTerm: 0, or 1 + the term in which it was found absent.
    struct Candidate {
        address operator;
        bytes32 consensusKey;
        uint8 status;
        bool banned;
        uint64 since;
        uint64 leftTerm;
        uint64 jailedTerm;
        uint32 commissionPpm;
        uint32 nextCommissionPpm;
        uint64 nextCommissionTerm;
        uint256 bond;
        uint256 income;
        uint256 delegated;
        uint256 shares;
        uint256 unbonding;
    }

    /// Stake that was taken back. stones is what it is worth now: it can be slashed until readyMs.
    struct Unbonding {
        address operator;
        uint64 readyMs;
        uint256 stones;
    }

    /// reason: 1 equivocation, 2 wrong vote, 3 absence. status: 1 pending, 2 executed, 3 annulled.
    /// term and place say for what: the view, epoch·256 + sector, or 0.
    struct Slash {
        address operator;
        uint8 reason;
        uint8 status;
        uint64 appealUntilMs;
        uint64 term;
        uint64 place;
        address reporter;
        uint256 bond;
        uint256 delegated;
        uint256 unbonding;
    }

    event SetFixed(uint64 indexed term, uint32 set, uint32 seats, bool kept);
    event CandidateJoined(address indexed operator, bytes32 consensusKey, uint256 bond);
    event CandidateLeaving(address indexed operator, uint64 term);
    event CandidateLeft(address indexed operator, uint256 bond, uint64 readyMs);
    event BondRaised(address indexed operator, uint256 stones, uint256 bond);
    event KeyRotated(address indexed operator, bytes32 oldKey, bytes32 newKey);
    event CommissionSet(address indexed operator, uint32 ppm, uint64 fromTerm);
    event Delegated(address indexed operator, address indexed delegator, uint256 stones, uint256 shares);
    event Undelegated(address indexed operator, address indexed delegator, uint256 stones, uint64 readyMs);
    event Withdrawn(address indexed owner, address indexed operator, uint256 stones);
    event Earned(address indexed operator, uint64 indexed term, uint256 operatorStones, uint256 delegatorStones);
    event IncomeClaimed(address indexed operator, uint256 stones);
    event Unjailed(address indexed operator);
    event SlashPending(
        uint64 indexed id, address indexed operator, uint8 reason, uint64 term, uint64 place, uint256 stones, uint64 appealUntilMs
    );
    event Appealed(uint64 indexed id, address indexed validator, uint32 votes, uint32 needed);
    event SlashAnnulled(uint64 indexed id, address indexed operator);
    event Reclaimed(uint64 indexed id, address indexed owner, uint256 delegated, uint256 unbonding);
    event SlashExecuted(uint64 indexed id, address indexed operator, uint256 burned, uint256 toReporter, uint256 toInsurance);

    error NotValidator(address caller);
    error TermNotFixed(uint64 term, uint64 latest);
    error TermNotOver(uint64 term, uint64 current);
    error UnknownCandidate(address operator);
    error CandidateExists(address operator);
    error TooManyCandidates(uint64 limit);
    error BondTooLow(uint256 bond, uint256 required);
    error BadKey(bytes32 consensusKey);
    error KeyTaken(bytes32 consensusKey);
    error BadProofOfPossession(bytes32 consensusKey);
    error NotActive(address operator, uint8 status);
    error IsBanned(address operator);
    error StillSeated(address operator, uint64 untilTerm);
    error DelegationTooSmall(uint256 stones, uint256 least);
    error NotEnoughStake(uint256 asked, uint256 held);
    error NothingToWithdraw(uint64 readyMs);
    error NotJailed(address operator);
    error BadEvidence(string reason);
    error AlreadySlashed(address operator, uint8 reason, uint64 term, uint64 place);
    error NotWrong(uint64 epoch, uint8 sector, address operator);
    error TooLate(uint64 term, uint64 current);
    error NotAbsent(uint64 term, address operator);
    error UnknownSlash(uint64 id);
    error SlashClosed(uint64 id, uint8 status);
    error AppealOver(uint64 id, uint64 untilMs);
    error AppealOpen(uint64 id, uint64 untilMs);
    error AlreadyAppealed(uint64 id, address validator);
    error NothingToReclaim(uint64 id, address owner);

    /// The seats of the current term.
    function validators() external view returns (Validator[] memory);
    function isValidator(address operator) external view returns (bool);
    /// Votes needed: the smallest number greater than two thirds of the validators.
    function quorum() external view returns (uint32);
    function ingests() external view returns (address[] memory);
    function isIngest(address operator) external view returns (bool);

    /// The current term, its first block, and the last term whose set is fixed.
    function term() external view returns (uint64 current, uint64 firstBlock, uint64 fixedUntil);
    /// The seats of a term whose set is fixed.
    function seats(uint64 termNumber) external view returns (Validator[] memory);
    function candidateCount() external view returns (uint64);
    function candidates(uint64 from, uint64 limit) external view returns (Candidate[] memory);
    function candidateOf(address operator) external view returns (Candidate memory);
    /// What a delegation is worth.
    function delegation(address operator, address delegator) external view returns (uint256 stones, uint256 shares);
    function unbondings(address owner, uint64 limit) external view returns (Unbonding[] memory);
    function slashCount() external view returns (uint64);
    function slash(uint64 id) external view returns (Slash memory);
    /// What an owner has not reclaimed of an annulled slash, at today's worth: of delegations, and of what unbonded.
    function reclaimable(uint64 id, address owner) external view returns (uint256 delegated, uint256 unbonding);
    /// What a validator did in a term, and what was due.
    function presence(uint64 termNumber, address operator)
        external
        view
        returns (uint64 proposed, uint64 proposalsDue, uint64 voted, uint64 votesDue);

    /// Stands for a seat with the stones sent, at least a seat's bond. The key signs
    /// "cairn/candidacy/v1" ‖ genesis hash ‖ operator ‖ key.
    function candidate(bytes32 consensusKey, bytes calldata proofOfPossession) external payable;
    function raiseBond() external payable;
    /// Takes no seat from the next set on.
    function leave() external;
    /// After its last seat: the bond begins to unbond.
    function exit() external;
    function rotateKey(bytes32 newKey, bytes calldata proofOfPossession) external;
    function setCommission(uint32 ppm) external;
    function delegate(address operator) external payable;
    function undelegate(address operator, uint256 stones) external;
    /// Pays out what has unbonded, at most 32 at once; returns the stones.
    function withdraw() external returns (uint256);
    /// Books what an operator earned in its last finished term. Anyone may.
    function settle(address operator) external;
    function claimIncome() external returns (uint256);
    function unjail() external;

    /// Two votes of one validator for one view that exclude each other (docs/spec/stake.md#evidence).
    function reportEquivocation(bytes calldata evidence) external returns (uint64 id);
    /// A vote for another result than the one that became final in its round.
    function reportWrongVote(uint64 epoch, uint8 sector, address operator) external returns (uint64 id);
    function reportAbsence(uint64 termNumber, address operator) external returns (uint64 id);
    /// A validator's vote to annul a pending slash.
    function appeal(uint64 id) external;
    /// Gives an owner back what an annulled slash had taken from it, where shares changed hands in between. Anyone may.
    function reclaim(uint64 id, address owner) external;
    /// After its appeal window: burns it and pays the reporter. Anyone may.
    function execute(uint64 id) external;
}
