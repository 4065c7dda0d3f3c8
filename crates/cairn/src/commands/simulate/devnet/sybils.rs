//! Sybils: devices of one person that measure nothing and send what an honest station beside them measured.
//!
//! They have its readings at once, as if they listened to it: more than a stranger has, who finds them in the public files
//! an epoch later. Their income together stands against that of one honest newcomer in the same cell over the same epochs.
//! Bonds come back, so that they cost nothing here but the fees of registering.

use cairn_sim::economy::attacks::Attack;
use eyre::Result;

use super::{Cases, account::Account, wash, world::World};

/// The account, the station that is copied, and how many devices copy it.
const CASES: [(&str, &str, i32); 3] =
    [("sybil-0", "EWR-1", 1), ("sybil-1", "JFK-1", 2), ("sybil-2", "LGA-1", 4)];
/// Distance between the sybils, 1e-7 degrees to the north; the honest newcomers stand between.
const APART_E7: i32 = 700;

/// Registers and plugs in all sybils; each case begins before its bonds are paid.
pub async fn prepare<'a>(world: &'a World<'a>) -> Result<Vec<Account<'a>>> {
    let mut accounts = Vec::new();
    for (name, copied, count) in CASES {
        let mut account = Account::new(world, name);
        account.begin().await?;
        for number in 0..count {
            let label = format!("{name}-{number}");
            let station = world.copied_station(&label, copied, -APART_E7 * (number + 1))?;
            let device = world.register(&account.sender, &label, station.position).await?;
            world.plug_in(&station, device).await?;
            account.devices.push(device);
        }
        accounts.push(account);
    }
    Ok(accounts)
}

/// What came of it until now; `honest` has a newcomer in the cell of each case, in order.
pub async fn count(
    world: &World<'_>,
    accounts: &[Account<'_>],
    honest: &[Account<'_>],
) -> Result<Attack> {
    let mut best = Cases::new("sybils");
    for ((account, (_, copied, count)), one) in accounts.iter().zip(CASES).zip(honest) {
        let alone = wash::presence(world, &one.devices, account.from(), account.price()).await?;
        let profit = account.profit().await? - alone;
        best.see(&format!("{count} copies of {copied} against one honest device"), profit);
    }
    Ok(best.attack("sybil-devices", "Devices that copy a neighbour"))
}
