// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

/// The treasury: streams that votes open, paid at 2 % of its stones in 30 days at most. On networks whose genesis has a
/// [governance] table. Rules: docs/spec/governance.md.
interface ITreasury {
    /// status: 1 running, 2 ended by a vote, 3 paid out. unlocked: what is the recipient's now, paid or not.
    struct Stream {
        uint64 id;
        uint64 proposal;
        address recipient;
        bool insider;
        uint8 status;
        uint256 stones;
        uint256 paid;
        uint256 unlocked;
        uint64 startMs;
        uint64 lengthMs;
        uint8 milestones;
        uint8 reached;
    }

    event Funded(address indexed from, uint256 stones);
    event StreamOpened(uint64 indexed id, uint64 indexed proposal, address indexed recipient, bool insider, uint256 stones, uint64 startMs, uint64 lengthMs, uint8 milestones);
    event MilestoneReached(uint64 indexed id, uint8 milestone);
    event StreamEnded(uint64 indexed id, uint256 kept, uint256 freed);
    event Paid(uint64 indexed id, address indexed recipient, bool insider, uint256 stones);

    error UnknownStream(uint64 id);
    error StreamOver(uint64 id, uint8 status);
    error BadRecipient(address recipient);
    error WrongMilestone(uint64 id, uint8 milestone, uint8 next);
    /// More than is not promised yet.
    error FundsExceeded(uint256 asked, uint256 free);
    /// All streams together would pay more in 30 days than the treasury may.
    error PaceExceeded(uint256 asked, uint256 left);
    /// Nothing is unlocked, or the pace of 30 days is used up.
    error NothingToClaim(uint64 id, uint256 unlocked, uint256 paceLeft);

    /// Gives stones to the treasury.
    function fund() external payable;
    /// Pays a stream's recipient what is unlocked and the pace allows. Anyone may.
    function claim(uint64 id) external returns (uint256 stones);

    function streamCount() external view returns (uint64);
    function stream(uint64 id) external view returns (Stream memory);
    function streams(uint64 from, uint64 limit) external view returns (Stream[] memory);
    /// balance; promised to streams and not paid; the pace of running streams and its limit in 30 days; paid in the last 30
    /// days and what may be paid now; paid to insiders ever.
    function accounts()
        external
        view
        returns (uint256 balance, uint256 promised, uint256 pace, uint256 paceLimit, uint256 spent, uint256 left, uint256 toInsiders);
}
