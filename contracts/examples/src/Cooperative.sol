// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {Address} from "@openzeppelin/contracts/utils/Address.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {Cairn} from "cairn-contracts/Cairn.sol";
import {IRegistry} from "cairn-contracts/IRegistry.sol";
import {IRewards} from "cairn-contracts/IRewards.sol";

/// Owns devices; whatever they earn belongs to the members in proportion to their shares, an ERC-20.
///
/// A reward is paid to the owner in its leaf, whoever sends the claim, and **without a call**: stones simply arrive in this
/// contract's balance. So income is found by looking at the balance, never counted in `receive`. Income that came before a
/// transfer of shares belongs to who held them then: each transfer settles both sides first.
contract Cooperative is ERC20, Ownable {
    using Address for address payable;

    /// Stones per share are kept with this many times their value, so that rounding loses next to nothing.
    uint256 private constant SCALE = 1e27;

    /// Income per share since the beginning, times SCALE.
    uint256 public perShare;
    /// Stones in the balance that members were credited with; the rest of the balance is new income.
    uint256 public accounted;
    /// What `perShare` was when a member's credit was last brought up to date.
    mapping(address => uint256) public seen;
    mapping(address => uint256) public credit;

    event Income(uint256 stones);
    event Withdrawn(address indexed member, uint256 stones);

    error NoShares();
    error NothingToWithdraw(address member);

    constructor(address[] memory members, uint256[] memory shares) ERC20("Cooperative share", "COOP") Ownable(msg.sender) {
        if (members.length == 0 || members.length != shares.length) revert NoShares();
        for (uint256 i = 0; i < members.length; i++) _mint(members[i], shares[i]);
    }

    /// Registers a device of the cooperative; the value sent is its bond. The device's key signs for this contract as owner.
    function register(IRegistry.Registration calldata r, bytes calldata proof) external payable onlyOwner returns (bytes16) {
        return Cairn.REGISTRY.register{value: msg.value}(r, proof);
    }

    /// Registers many devices of one kind at once.
    function registerMany(
        uint8 sector,
        uint8 keyType,
        bytes calldata publicKeys,
        int32[] calldata latE7,
        int32[] calldata lonE7,
        int32[] calldata elevationDm,
        bytes calldata proofs
    ) external payable onlyOwner returns (bytes16[] memory) {
        return Cairn.REGISTRY.registerMany{value: msg.value}(sector, keyType, publicKeys, latE7, lonE7, elevationDm, proofs);
    }

    function retire(bytes16 device) external onlyOwner {
        Cairn.REGISTRY.leave(device);
    }

    /// The bond comes back as income of all members.
    function withdrawBond(bytes16 device) external onlyOwner {
        Cairn.REGISTRY.withdrawBond(device);
    }

    /// Claims rewards and credits the members. Anyone may also claim at REWARDS directly: the stones arrive here all the same.
    function claim(
        IRewards.Reward[] calldata rewards,
        uint32[] calldata indices,
        bytes32[] calldata proofs,
        uint8[] calldata lengths
    ) external returns (uint256 stones) {
        stones = Cairn.REWARDS.claimMany(rewards, indices, proofs, lengths);
        collect();
    }

    /// Credits everything that arrived since the last time.
    function collect() public {
        uint256 income = address(this).balance - accounted;
        uint256 more = Math.mulDiv(income, SCALE, totalSupply());
        if (more == 0) return;
        perShare += more;
        accounted += income;
        emit Income(income);
    }

    /// What `member` could withdraw now.
    function withdrawable(address member) external view returns (uint256) {
        uint256 income = address(this).balance - accounted;
        uint256 now_ = perShare + Math.mulDiv(income, SCALE, totalSupply());
        return credit[member] + Math.mulDiv(balanceOf(member), now_ - seen[member], SCALE);
    }

    /// Pays `member` what is theirs; anyone may send it.
    function withdraw(address payable member) external {
        collect();
        settle(member);
        uint256 stones = credit[member];
        if (stones == 0) revert NothingToWithdraw(member);
        credit[member] = 0;
        accounted -= stones;
        emit Withdrawn(member, stones);
        member.sendValue(stones);
    }

    /// Stones may also be given.
    receive() external payable {}

    function settle(address member) private {
        credit[member] += Math.mulDiv(balanceOf(member), perShare - seen[member], SCALE);
        seen[member] = perShare;
    }

    function _update(address from, address to, uint256 value) internal override {
        // Shares are only made in the constructor, before anybody could be owed anything.
        if (from != address(0)) collect();
        if (from != address(0)) settle(from);
        if (to != address(0)) settle(to);
        super._update(from, to, value);
    }
}
