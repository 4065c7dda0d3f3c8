// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

/// Who owns which device, what it offers, where it stands, and the bond behind it.
interface IRegistry {
    /// keyType 1 = Ed25519 (32 bytes), 2 = P-256 (33 bytes, compressed). Positions: 1e-7 degrees; elevation: decimetres.
    /// assurance: 1 = secure element with vendor chain, 2 = attested software key, 3 = bare key.
    struct Registration {
        uint8 sector;
        uint8 keyType;
        bytes publicKey;
        int32 latE7;
        int32 lonE7;
        int32 elevationDm;
    }

    /// status: 1 = active, 2 = left, 3 = slashed. index: order of registration, from 0.
    /// A device's evidence counts from `registeredEpoch`; after it left or was slashed, until `endEpoch` (exclusive; 0 = open).
    struct Device {
        bytes16 id;
        address owner;
        uint8 sector;
        uint8 keyType;
        uint8 assurance;
        uint8 status;
        uint64 index;
        uint64 registeredEpoch;
        uint64 endEpoch;
        uint64 cell;
        int32 latE7;
        int32 lonE7;
        int32 elevationDm;
        uint256 bond;
        bytes publicKey;
    }

    event DeviceRegistered(bytes16 indexed id, address indexed owner, uint8 indexed sector, uint64 cell, uint256 bond);
    event DeviceLeft(bytes16 indexed id, address indexed owner, uint256 bondReturned);
    /// reason: the numbered rejection that proves itself (see docs/spec/rejections.md).
    event DeviceSlashed(bytes16 indexed id, address indexed challenger, uint16 reason, uint256 burned, uint256 toChallenger);

    error DeviceExists(bytes16 id);
    error UnknownDevice(bytes16 id);
    error NotOwner(bytes16 id, address caller);
    error NotActive(bytes16 id, uint8 status);
    /// The proof of possession is not a signature of this registration by the device's key.
    error BadProofOfPossession(bytes16 id);
    error BadKey(uint8 keyType, uint256 length);
    error UnknownSector(uint8 sector);
    error BondTooLow(uint256 sent, uint256 required);
    /// The two envelopes do not contradict each other: code names the check that failed.
    error NotEquivocation(uint16 code);
    error BondLocked(bytes16 id, uint64 untilEpoch);

    /// Registers a device owned by the caller; the value sent is its bond, at least `bondRequired(sector)`.
    /// `proof`: signature by the device's key over `registrationMessage` (docs/spec/registry.md).
    function register(Registration calldata r, bytes calldata proof) external payable returns (bytes16 id);
    /// Registers up to 128 devices of one sector and key type, all owned by the caller, or none: `publicKeys` and `proofs` are
    /// concatenated (32 or 33 bytes a key, 64 bytes a proof). Each device gets an equal part of the value sent as its bond.
    function registerMany(uint8 sector, uint8 keyType, bytes calldata publicKeys, int32[] calldata latE7, int32[] calldata lonE7, int32[] calldata elevationDm, bytes calldata proofs) external payable returns (bytes16[] memory ids);
    /// Ends the device's service after the current epoch. The bond returns with `withdrawBond` after the dispute window.
    function leave(bytes16 id) external;
    function withdrawBond(bytes16 id) external;
    /// Two different batches signed by one device for one sequence number: 70 % of the bond is burned, 30 % goes to the caller.
    function proveEquivocation(bytes calldata envelopeA, bytes calldata envelopeB) external;

    function bondRequired(uint8 sector) external view returns (uint256 stones);
    function get(bytes16 id) external view returns (Device memory);
    function count() external view returns (uint64);
    /// Devices `from`, `from + 1`, … in order of registration, at most 256.
    function page(uint64 from, uint64 limit) external view returns (Device[] memory);
}
