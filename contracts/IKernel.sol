// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

/// What every native contract of Cairn may revert with.
/// Amounts named `stones` are base units (1 STONE = 1e18); amounts named `microUsd` and all credits are
/// micro-dollars (1 CREDIT = 1e6). Epochs are network epochs, times are network milliseconds.
interface IKernel {
    /// The first four bytes of the call data name no function of this contract, or the arguments do not decode.
    error UnknownSelector(bytes4 selector);
    /// A function that writes was called from a static call.
    error StaticCall();
    /// A native contract keeps its state at its own address: delegatecall and callcode are refused.
    error DelegateCall();
    /// Stones were sent to a function that takes none.
    error NonPayable();
    /// An argument is outside its range: `field` names it, `value` is what came, `bound` is the nearest value allowed.
    error OutOfRange(string field, uint256 value, uint256 bound);
}
