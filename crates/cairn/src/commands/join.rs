//! `cairn join`: what would a device of yours earn? Then, and only with `--yes`, its key, its bond and its registration.

use cairn_client::{BlockTag, Call, KeyFile, LedgerRead as _, NewDevice, StoredKey, Wallet};
use cairn_primitives::{Cell, DeviceId, Position, STONE, Stones};
use eyre::{Result, WrapErr as _, eyre};
use serde_json::json;

use super::payback::outlook;
use crate::{
    cli::JoinArgs,
    output::{fixed_point, stones},
    session::{SECTOR, Session},
};

/// Stones beyond the bond that a new account needs for fees.
const FEE_STONES: u128 = STONE;

/// Shows the payback card; with `--yes` registers the device.
pub async fn join(args: &JoinArgs) -> Result<()> {
    let position = position(args)?;
    let session = Session::open(&args.network).await?;
    let cell = Cell::at(position)?;
    let outlook = outlook(&session, &args.hardware, cell).await?;
    let joined =
        if args.yes { Some(register(&session, args, position, outlook.bond).await?) } else { None };

    let mut value = outlook.to_json();
    value["device"] = json!(joined.as_ref().map(|(id, _)| id.to_string()));
    session.output.answer(&value, || {
        let card = outlook.to_text();
        match &joined {
            None => format!("{card}\n\nNothing was paid. Add --yes to lock the bond and register."),
            Some((id, key)) => format!("{card}\n\nregistered device {id}\nits key is in {key}; its evidence counts from this epoch on"),
        }
    });
    Ok(())
}

fn position(args: &JoinArgs) -> Result<Position> {
    let number = |flag: &str, text: &str, decimals| {
        let value = fixed_point(text, decimals).and_then(|value| i32::try_from(value).ok());
        value.ok_or_else(|| {
            eyre!("{flag} is `{text}`: write a decimal number with at most {decimals} decimals")
        })
    };
    let position = Position {
        lat_e7: number("--lat", &args.lat, 7)?,
        lon_e7: number("--lon", &args.lon, 7)?,
        elevation_dm: number("--elevation-m", &args.elevation_m, 1)?,
    };
    if !position.is_valid() {
        return Err(eyre!(
            "--lat {} --lon {} --elevation-m {}: outside ±90, ±180 or −500…9,000",
            args.lat,
            args.lon,
            args.elevation_m
        ));
    }
    Ok(position)
}

async fn register(
    session: &Session,
    args: &JoinArgs,
    position: Position,
    bond: Stones,
) -> Result<(DeviceId, String)> {
    let wallet = Wallet::load_or_create(&session.folder.key(&args.account))?;
    let owner = wallet.address();
    let needed = Stones(bond.0 + FEE_STONES);
    let held = session.client.balance(owner, BlockTag::Latest).await?;
    if held < needed {
        // Only a local network has its founder's key in the folder; elsewhere this names what is missing.
        let founder = session.sender("founder").wrap_err_with(|| {
            format!(
                "{owner} holds {} and needs {}: send it the difference",
                stones(held),
                stones(needed)
            )
        })?;
        founder.send_and_wait(&Call::transfer(owner, Stones(needed.0 - held.0))).await?;
    }
    let count = session.devices().await?.len();
    let path = session.folder.key(&format!("device-{}-{count}", args.account));
    let StoredKey::Ed25519(key) = KeyFile::Ed25519.load_or_create(&path)? else {
        return Err(eyre!("{} is no device key", path.display()));
    };
    let device = NewDevice { key: &key, sector: SECTOR, position, bond };
    let id = session.sender_of(wallet).register_device(&device).await?;
    Ok((id, path.display().to_string()))
}
