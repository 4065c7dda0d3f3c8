// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

/// Offers, leases with escrow, and settlement by cumulative receipts that the consumer signs.
interface IMarket {
    struct Offer {
        uint64 id;
        address provider;
        uint8 sector;
        uint64 microUsdPerKiloUnit;
        string endpoint;
    }

    /// state: 1 = open, 2 = closed. All amounts are micro-dollars of credits.
    struct Lease {
        uint64 id;
        uint64 offer;
        address consumer;
        address provider;
        uint64 escrow;
        uint64 settled;
        uint64 units;
        uint64 expiryEpoch;
        uint8 state;
    }

    /// EIP-712, domain {name "Cairn", version "1", chainId, verifyingContract = this contract}.
    /// `units` and `amount` are totals since the lease began; `shares` is keccak256(abi.encode(Share[])).
    struct Receipt {
        uint64 lease;
        uint64 units;
        uint64 amount;
        bytes32 shares;
    }

    /// Total of the lease's amount that is owed to a device, before fees. Sorted by device, amounts sum to the receipt's.
    struct Share {
        bytes16 device;
        uint64 amount;
    }

    struct Earned {
        bytes16 device;
        uint64 microUsd;
    }

    event OfferPosted(uint64 indexed id, address indexed provider, uint8 sector, uint64 microUsdPerKiloUnit);
    event LeaseOpened(uint64 indexed id, uint64 indexed offer, address indexed consumer, uint64 escrow, uint64 expiryEpoch);
    event LeaseToppedUp(uint64 indexed id, uint64 amount, uint64 escrow);
    event Settled(uint64 indexed lease, uint64 indexed epoch, uint64 amount, uint64 units, uint64 total);
    event DevicePaid(uint64 indexed epoch, bytes16 indexed device, uint64 indexed lease, uint64 microUsd);
    event LeaseClosed(uint64 indexed id, uint64 settled, uint64 refund);

    error UnknownOffer(uint64 id);
    error UnknownLease(uint64 id);
    error LeaseNotOpen(uint64 id);
    error NotParty(uint64 lease, address caller);
    error LeaseWithoutFunds(address consumer, uint256 credits, uint64 escrow);
    /// The receipt is not above what is settled: replayed or lowered.
    error ReceiptNotHigher(uint64 lease, uint64 settled, uint64 amount);
    error EscrowExceeded(uint64 lease, uint64 escrow, uint64 amount);
    error BadReceiptSignature(uint64 lease, address expected, address recovered);
    error SharesMismatch(uint64 lease);
    error UnknownDevice(bytes16 device);
    /// The provider may close at once; anyone may from `closableEpoch` on: one epoch after the lease's last has passed.
    error NotExpired(uint64 lease, uint64 closableEpoch);

    function postOffer(uint8 sector, uint64 microUsdPerKiloUnit, string calldata endpoint) external returns (uint64 id);
    function openLease(uint64 offer, uint64 escrow, uint64 expiryEpoch) external returns (uint64 id);
    function topUp(uint64 lease, uint64 amount) external;
    /// Anyone may settle with the consumer's highest receipt: devices are paid what the shares add to earlier settlements.
    function settle(Receipt calldata receipt, Share[] calldata shares, bytes calldata signature) external;
    /// Refunds the unspent escrow. By the provider or, once epoch `expiryEpoch` + 1 is over, by anyone. (A consumer who could
    /// close at once could take back what its last receipt owes.)
    function close(uint64 lease) external;

    function offerCount() external view returns (uint64);
    function getOffer(uint64 id) external view returns (Offer memory);
    function getLease(uint64 id) external view returns (Lease memory);
    function leaseCount() external view returns (uint64);
    /// What devices were paid by consumers in `epoch`, in order of first payment, at most 256 from `from`.
    function earned(uint64 epoch, uint8 sector, uint64 from, uint64 limit) external view returns (Earned[] memory);
    function earnedCount(uint64 epoch, uint8 sector) external view returns (uint64);
}
