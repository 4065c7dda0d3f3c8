//! Offers, leases with escrow, and settlement by cumulative receipts that the consumer signs.
//!
//! ```text
//! provider ─ postOffer ─► Offer ─ openLease (consumer's credits into escrow) ─► Lease ─ close ─► rest refunded
//!                                                                                 ▲
//!            consumer signs Receipt k ⊃ Receipt k−1 ─► anyone ─ settle(highest) ──┘─► devices' earnings of the epoch
//! ```
//! Receipts are totals: losing one costs nothing, replaying one gains nothing. Credits that a settlement spends are
//! destroyed, and their share of the vault's stones moves to `REWARDS`, where it waits for the epoch to become final.
//!
//! **Invariant:** the market's credits cover the unspent escrow of all open leases.

use alloy_consensus::crypto::secp256k1;
use alloy_primitives::{Address, B256, Bytes, FixedBytes, Signature, U256, keccak256};
use alloy_sol_types::{SolStruct, SolValue, eip712_domain};
use cairn_primitives::{
    DeviceId, Epoch, MicroUsd, Stones,
    abi::{CREDITS, IMarket, MARKET, REWARDS},
    mul_div_floor,
};

use super::{
    Blob, Ctx, List, Mapping, Packer, Res, Stop, Stored, Unpacker, Value, credits, decode,
    economy_state, gas, out_of_range, registry, revert,
};
use crate::check::Violation;

/// Longest endpoint of an offer, bytes.
pub const ENDPOINT_BYTES_MAX: usize = 256;
/// Most devices that one receipt pays.
pub const SHARES_MAX: usize = 1_024;
/// Most epochs ahead that a lease may expire: a year of hours.
pub const LEASE_EPOCHS_MAX: u64 = 8_784;
/// Epochs after a lease's last in which its receipts may still come before anyone may close it.
pub const GRACE_EPOCHS: u64 = 1;
/// Most lines of one `earned` page.
pub const PAGE_MAX: u64 = 256;

type PerEpoch<V> = Mapping<u64, Mapping<u8, V>>;

/// Offers at slot 0, by id − 1.
const OFFERS: List<Offer> = List::new(MARKET, 0);
/// `mapping(uint64 => string)` at slot 1.
const ENDPOINTS: Mapping<u64, Blob> = Mapping::new(MARKET, 1);
/// Leases at slot 2, by id − 1.
const LEASES: List<Lease> = List::new(MARKET, 2);
/// `mapping(lease => mapping(bytes16 => uint64))` at slot 3: what the lease has paid a device in all.
const PAID: Mapping<u64, Mapping<DeviceId, Value<u64>>> = Mapping::new(MARKET, 3);
/// `mapping(epoch => mapping(sector => Income))` at slot 4.
const INCOME: PerEpoch<Value<Income>> = Mapping::new(MARKET, 4);
/// `mapping(epoch => mapping(sector => Line[]))` at slot 5, in order of first payment.
const LINES: PerEpoch<List<Line>> = Mapping::new(MARKET, 5);
/// `mapping(epoch => mapping(sector => mapping(bytes16 => uint64)))` at slot 6: index of a device's line, plus 1.
const LINE_OF: PerEpoch<Mapping<DeviceId, Value<u64>>> = Mapping::new(MARKET, 6);

/// provider 20 │ sector 1 │ price 8.
struct Offer {
    provider: Address,
    sector: u8,
    price: u64,
}

impl Stored for Offer {
    const SLOTS: usize = 1;
    fn to_words(&self, words: &mut [U256]) {
        words[0] = Packer::new().address(self.provider).u8(self.sector).u64(self.price).word();
    }
    fn from_words(words: &[U256]) -> Self {
        let mut a = Unpacker::new(words[0]);
        Self { provider: a.address(), sector: a.u8(), price: a.u64() }
    }
}

/// consumer 20 │ open 1 │ expiry epoch 8 ‖ offer 8 │ escrow 8 │ settled 8 │ units 8.
#[derive(Clone, Copy)]
struct Lease {
    consumer: Address,
    open: bool,
    expiry: Epoch,
    offer: u64,
    escrow: u64,
    settled: u64,
    units: u64,
}

impl Stored for Lease {
    const SLOTS: usize = 2;
    fn to_words(&self, words: &mut [U256]) {
        words[0] =
            Packer::new().address(self.consumer).u8(u8::from(self.open)).u64(self.expiry.0).word();
        words[1] =
            Packer::new().u64(self.offer).u64(self.escrow).u64(self.settled).u64(self.units).word();
    }
    fn from_words(words: &[U256]) -> Self {
        let (mut a, mut b) = (Unpacker::new(words[0]), Unpacker::new(words[1]));
        Self {
            consumer: a.address(),
            open: a.u8() != 0,
            expiry: Epoch(a.u64()),
            offer: b.u64(),
            escrow: b.u64(),
            settled: b.u64(),
            units: b.u64(),
        }
    }
}

/// What consumers paid in an epoch, and the stones that the vault released for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Income {
    /// Before fees.
    pub paid: MicroUsd,
    /// In the balance of `REWARDS`.
    pub released: Stones,
}

impl Stored for Income {
    const SLOTS: usize = 1;
    fn to_words(&self, words: &mut [U256]) {
        words[0] = Packer::new().u64(self.paid.0).u128(self.released.0).word();
    }
    fn from_words(words: &[U256]) -> Self {
        let mut a = Unpacker::new(words[0]);
        Self { paid: MicroUsd(a.u64()), released: Stones(a.u128()) }
    }
}

/// device 16 │ paid 8.
struct Line {
    device: DeviceId,
    paid: MicroUsd,
}

impl Stored for Line {
    const SLOTS: usize = 1;
    fn to_words(&self, words: &mut [U256]) {
        words[0] = Packer::new().bytes16(self.device.0).u64(self.paid.0).word();
    }
    fn from_words(words: &[U256]) -> Self {
        let mut a = Unpacker::new(words[0]);
        Self { device: DeviceId(a.bytes16()), paid: MicroUsd(a.u64()) }
    }
}

/// The dispatch table.
pub(super) fn call(c: &mut Ctx<'_>, data: &[u8]) -> Res<Bytes> {
    use IMarket::IMarketCalls as F;
    match decode(data)? {
        F::postOffer(q) => {
            c.mutate(q, |c, q| post_offer(c, q.sector, q.microUsdPerKiloUnit, &q.endpoint))
        }
        F::openLease(q) => {
            c.mutate(q, |c, q| open_lease(c, q.offer, q.escrow, Epoch(q.expiryEpoch)))
        }
        F::topUp(q) => c.mutate_void(q, |c, q| top_up(c, q.lease, q.amount)),
        F::settle(q) => c.mutate_void(q, |c, q| settle(c, &q.receipt, &q.shares, &q.signature)),
        F::close(q) => c.mutate_void(q, |c, q| close(c, q.lease)),
        F::offerCount(q) => c.view(q, |c, _| OFFERS.len(c)),
        F::getOffer(q) => c.view(q, |c, q| get_offer(c, q.id)),
        F::getLease(q) => c.view(q, |c, q| get_lease(c, q.id)),
        F::leaseCount(q) => c.view(q, |c, _| LEASES.len(c)),
        F::earned(q) => c.view(q, |c, q| earned(c, Epoch(q.epoch), q.sector, q.from, q.limit)),
        F::earnedCount(q) => c.view(q, |c, q| LINES.at(&q.epoch).at(&q.sector).len(c)),
    }
}

/// What consumers paid in `epoch` for a sector's work.
///
/// # Errors
/// Out of gas, or disk trouble.
pub fn income(c: &mut Ctx<'_>, epoch: Epoch, sector: u8) -> Res<Income> {
    INCOME.at(&epoch.0).at(&sector).get(c)
}

fn post_offer(c: &mut Ctx<'_>, sector: u8, price: u64, endpoint: &str) -> Res<u64> {
    economy_state::sector(sector)?;
    if endpoint.len() > ENDPOINT_BYTES_MAX {
        return out_of_range(
            "endpoint",
            U256::from(endpoint.len()),
            U256::from(ENDPOINT_BYTES_MAX),
        );
    }
    let provider = c.caller();
    let id = OFFERS.push(c, &Offer { provider, sector, price })? + 1;
    ENDPOINTS.at(&id).set(c, endpoint.as_bytes())?;
    c.emit(MARKET, &IMarket::OfferPosted { id, provider, sector, microUsdPerKiloUnit: price })?;
    Ok(id)
}

fn offer(c: &mut Ctx<'_>, id: u64) -> Res<Offer> {
    let Some(index) = id.checked_sub(1) else { return revert(IMarket::UnknownOffer { id }) };
    let offer = OFFERS.at(index).get(c)?;
    // Offers are never taken back, and each has a sector: beyond the end there are zeros.
    if offer.sector == 0 { revert(IMarket::UnknownOffer { id }) } else { Ok(offer) }
}

fn lease(c: &mut Ctx<'_>, id: u64) -> Res<Lease> {
    let Some(index) = id.checked_sub(1) else { return revert(IMarket::UnknownLease { id }) };
    let lease = LEASES.at(index).get(c)?;
    // Leases are never taken back, and each has an escrow: beyond the end there are zeros.
    if lease.escrow == 0 { revert(IMarket::UnknownLease { id }) } else { Ok(lease) }
}

fn open_of(c: &mut Ctx<'_>, id: u64) -> Res<Lease> {
    let lease = lease(c, id)?;
    if lease.open { Ok(lease) } else { revert(IMarket::LeaseNotOpen { id }) }
}

fn open_lease(c: &mut Ctx<'_>, offer_id: u64, escrow: u64, expiry: Epoch) -> Res<u64> {
    let (consumer, now) = (c.caller(), c.epoch());
    offer(c, offer_id)?;
    if expiry < now {
        return out_of_range("expiryEpoch", U256::from(expiry.0), U256::from(now.0));
    }
    let last = now.0.saturating_add(LEASE_EPOCHS_MAX);
    if expiry.0 > last {
        return out_of_range("expiryEpoch", U256::from(expiry.0), U256::from(last));
    }
    take_escrow(c, consumer, escrow)?;
    let opened =
        Lease { consumer, open: true, expiry, offer: offer_id, escrow, settled: 0, units: 0 };
    let id = LEASES.push(c, &opened)? + 1;
    c.emit(
        MARKET,
        &IMarket::LeaseOpened { id, offer: offer_id, consumer, escrow, expiryEpoch: expiry.0 },
    )?;
    Ok(id)
}

/// Moves credits of `consumer` into escrow.
fn take_escrow(c: &mut Ctx<'_>, consumer: Address, amount: u64) -> Res<()> {
    if amount == 0 {
        return out_of_range("escrow", U256::ZERO, U256::from(1));
    }
    if let Err(held) = credits::shift(c, consumer, MARKET, MicroUsd(amount))? {
        let credits = U256::from(held.0);
        return revert(IMarket::LeaseWithoutFunds { consumer, credits, escrow: amount });
    }
    Ok(())
}

fn top_up(c: &mut Ctx<'_>, id: u64, amount: u64) -> Res<()> {
    let (caller, mut lease) = (c.caller(), open_of(c, id)?);
    if lease.consumer != caller {
        return revert(IMarket::NotParty { lease: id, caller });
    }
    take_escrow(c, caller, amount)?;
    // Escrow of all leases is bounded by the supply of credits, a u64; settled parts are bounded by what was minted.
    let Some(escrow) = lease.escrow.checked_add(amount) else {
        return out_of_range("escrow", U256::from(amount), U256::from(u64::MAX - lease.escrow));
    };
    lease.escrow = escrow;
    LEASES.at(id - 1).set(c, &lease)?;
    c.emit(MARKET, &IMarket::LeaseToppedUp { id, amount, escrow })
}

fn settle(
    c: &mut Ctx<'_>,
    receipt: &IMarket::Receipt,
    shares: &[IMarket::Share],
    signature: &[u8],
) -> Res<()> {
    let id = receipt.lease;
    let mut lease = open_of(c, id)?;
    if receipt.amount <= lease.settled || receipt.units < lease.units {
        let (settled, amount) = (lease.settled, receipt.amount);
        return revert(IMarket::ReceiptNotHigher { lease: id, settled, amount });
    }
    if receipt.amount > lease.escrow {
        return revert(IMarket::EscrowExceeded {
            lease: id,
            escrow: lease.escrow,
            amount: receipt.amount,
        });
    }
    if shares.len() > SHARES_MAX {
        return out_of_range("shares", U256::from(shares.len()), U256::from(SHARES_MAX));
    }
    check_shares(c, receipt, shares)?;
    check_signature(c, lease.consumer, receipt, signature)?;

    let (epoch, due) = (c.epoch(), receipt.amount - lease.settled);
    let sector = offer(c, lease.offer)?.sector;
    pay_devices(c, id, sector, epoch, due, shares)?;
    let released = release(c, MicroUsd(due))?;
    let place = INCOME.at(&epoch.0).at(&sector);
    let before = place.get(c)?;
    // Both are bounded by the credits and the stones that exist.
    let income = Income {
        paid: MicroUsd(before.paid.0.saturating_add(due)),
        released: Stones(before.released.0.saturating_add(released.0)),
    };
    place.set(c, &income)?;
    let units = receipt.units - lease.units;
    (lease.settled, lease.units) = (receipt.amount, receipt.units);
    LEASES.at(id - 1).set(c, &lease)?;
    c.emit(
        MARKET,
        &IMarket::Settled { lease: id, epoch: epoch.0, amount: due, units, total: receipt.amount },
    )
}

/// The shares are those that were signed, in order, each device once.
fn check_shares(c: &mut Ctx<'_>, receipt: &IMarket::Receipt, shares: &[IMarket::Share]) -> Res<()> {
    let encoded = shares.to_vec().abi_encode();
    c.charge(gas::sha256(encoded.len()))?;
    let sorted = shares.windows(2).all(|pair| pair[0].device < pair[1].device);
    if !sorted || keccak256(encoded) != receipt.shares {
        return revert(IMarket::SharesMismatch { lease: receipt.lease });
    }
    Ok(())
}

/// The consumer signed the receipt (EIP-712). Contract wallets cannot: recovery gives an account with a key.
fn check_signature(
    c: &mut Ctx<'_>,
    expected: Address,
    receipt: &IMarket::Receipt,
    signature: &[u8],
) -> Res<()> {
    c.charge(gas::SIGNATURE)?;
    let recovered =
        recover(receipt_hash(c.genesis().chain_id, receipt), signature).unwrap_or_default();
    if recovered == expected && expected != Address::ZERO {
        return Ok(());
    }
    revert(IMarket::BadReceiptSignature { lease: receipt.lease, expected, recovered })
}

/// What a consumer signs: the EIP-712 hash of a receipt in this network's domain.
#[must_use]
pub fn receipt_hash(chain_id: u64, receipt: &IMarket::Receipt) -> B256 {
    let domain = eip712_domain! {
        name: "Cairn",
        version: "1",
        chain_id: chain_id,
        verifying_contract: MARKET,
    };
    receipt.eip712_signing_hash(&domain)
}

/// The signer: 65 bytes r ‖ s ‖ v, v 27 or 28, s in the lower half. Any other form of the same signature is refused, so
/// that a receipt has one encoding.
fn recover(hash: B256, signature: &[u8]) -> Option<Address> {
    let bytes: &[u8; 65] = signature.try_into().ok()?;
    let odd = match bytes[64] {
        27 => false,
        28 => true,
        _ => return None,
    };
    let signature = Signature::from_bytes_and_parity(&bytes[..64], odd);
    if signature.normalize_s().is_some() {
        return None;
    }
    secp256k1::recover_signer(&signature, hash).ok()
}

/// Books what each device is owed beyond earlier settlements; the increases add up to `due` exactly.
fn pay_devices(
    c: &mut Ctx<'_>,
    lease: u64,
    sector: u8,
    epoch: Epoch,
    due: u64,
    shares: &[IMarket::Share],
) -> Res<()> {
    let mut rest = due;
    for share in shares {
        let device = DeviceId(share.device.0);
        let paid = PAID.at(&lease).at(&device);
        let before = paid.get(c)?;
        let increase = share.amount.checked_sub(before);
        let (Some(increase), Some(left)) =
            (increase, increase.and_then(|more| rest.checked_sub(more)))
        else {
            return revert(IMarket::SharesMismatch { lease });
        };
        rest = left;
        if registry::device(c, device)?.is_none_or(|known| known.sector != sector) {
            return revert(IMarket::UnknownDevice { device: share.device });
        }
        if increase > 0 {
            paid.set(c, &share.amount)?;
            book(c, epoch, sector, device, increase)?;
            let device = FixedBytes(device.0);
            c.emit(
                MARKET,
                &IMarket::DevicePaid { epoch: epoch.0, device, lease, microUsd: increase },
            )?;
        }
    }
    if rest == 0 { Ok(()) } else { revert(IMarket::SharesMismatch { lease }) }
}

/// Adds to a device's line of the epoch.
fn book(c: &mut Ctx<'_>, epoch: Epoch, sector: u8, device: DeviceId, increase: u64) -> Res<()> {
    let lines = LINES.at(&epoch.0).at(&sector);
    let index = LINE_OF.at(&epoch.0).at(&sector).at(&device);
    match index.get(c)?.checked_sub(1) {
        None => {
            let at = lines.push(c, &Line { device, paid: MicroUsd(increase) })?;
            index.set(c, &(at + 1))
        }
        Some(at) => {
            let mut line = lines.at(at).get(c)?;
            line.paid.0 = line.paid.0.saturating_add(increase);
            lines.at(at).set(c, &line)
        }
    }
}

/// Destroys spent credits and moves their share of the vault, rounded down, to `REWARDS`.
fn release(c: &mut Ctx<'_>, amount: MicroUsd) -> Res<Stones> {
    let (vault, outstanding) = (credits::vault(c)?, credits::supply(c)?);
    credits::spend(c, MARKET, amount)?;
    let share = mul_div_floor(vault.0, u128::from(amount.0), u128::from(outstanding.0));
    let Some(released) = share.map(Stones) else {
        return Err(Stop::Fatal(format!("{amount} of credits are spent, {outstanding} exist")));
    };
    c.transfer(CREDITS, REWARDS, released)?;
    Ok(released)
}

fn close(c: &mut Ctx<'_>, id: u64) -> Res<()> {
    let (caller, mut lease) = (c.caller(), open_of(c, id)?);
    let provider = offer(c, lease.offer)?.provider;
    let closable = lease.expiry.0.saturating_add(GRACE_EPOCHS + 1);
    if caller != provider && c.epoch().0 < closable {
        if caller != lease.consumer {
            return revert(IMarket::NotParty { lease: id, caller });
        }
        return revert(IMarket::NotExpired { lease: id, closableEpoch: closable });
    }
    let refund = lease.escrow - lease.settled;
    lease.open = false;
    LEASES.at(id - 1).set(c, &lease)?;
    if refund > 0 {
        let refund = MicroUsd(refund);
        if let Err(held) = credits::shift(c, MARKET, lease.consumer, refund)? {
            return credits::short(MARKET, held, refund);
        }
    }
    c.emit(MARKET, &IMarket::LeaseClosed { id, settled: lease.settled, refund })
}

fn get_offer(c: &mut Ctx<'_>, id: u64) -> Res<IMarket::Offer> {
    let offer = offer(c, id)?;
    let endpoint = String::from_utf8_lossy(&ENDPOINTS.at(&id).get(c)?).into_owned();
    let Offer { provider, sector, price } = offer;
    Ok(IMarket::Offer { id, provider, sector, microUsdPerKiloUnit: price, endpoint })
}

fn get_lease(c: &mut Ctx<'_>, id: u64) -> Res<IMarket::Lease> {
    let lease = lease(c, id)?;
    let provider = offer(c, lease.offer)?.provider;
    Ok(IMarket::Lease {
        id,
        offer: lease.offer,
        consumer: lease.consumer,
        provider,
        escrow: lease.escrow,
        settled: lease.settled,
        units: lease.units,
        expiryEpoch: lease.expiry.0,
        state: if lease.open { 1 } else { 2 },
    })
}

fn earned(
    c: &mut Ctx<'_>,
    epoch: Epoch,
    sector: u8,
    from: u64,
    limit: u64,
) -> Res<Vec<IMarket::Earned>> {
    let lines = LINES.at(&epoch.0).at(&sector);
    let end = lines.len(c)?.min(from.saturating_add(limit.min(PAGE_MAX)));
    (from..end)
        .map(|i| {
            let Line { device, paid } = lines.at(i).get(c)?;
            Ok(IMarket::Earned { device: FixedBytes(device.0), microUsd: paid.0 })
        })
        .collect()
}

pub(super) fn check(c: &mut Ctx<'_>, found: &mut Vec<Violation>) -> Res<()> {
    let mut owed = 0_u64;
    for i in 0..LEASES.len(c)? {
        let lease = LEASES.at(i).get(c)?;
        let unspent = lease.escrow.checked_sub(lease.settled);
        let Some(unspent) = unspent else {
            let what = format!(
                "lease {} settled {} of an escrow of {}",
                i + 1,
                lease.settled,
                lease.escrow
            );
            found.push(Violation::Other { contract: "market", what });
            continue;
        };
        owed = owed.saturating_add(if lease.open { unspent } else { 0 });
    }
    let held = credits::balance(c, MARKET)?.0;
    if held < owed {
        found.push(Violation::EscrowShort { held, owed });
    }
    for epoch in 0..=c.epoch().0 {
        for sector in cairn_primitives::Sector::ALL {
            let sector = sector.number();
            let lines = LINES.at(&epoch).at(&sector);
            let mut sum = 0_u64;
            for i in 0..lines.len(c)? {
                sum = sum.saturating_add(lines.at(i).get(c)?.paid.0);
            }
            let paid = income(c, Epoch(epoch), sector)?.paid.0;
            if sum != paid {
                let what = format!("epoch {epoch}: lines add up to {sum}, consumers paid {paid}");
                found.push(Violation::Other { contract: "market", what });
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
