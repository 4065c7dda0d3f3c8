//! `cairn validator init`: keys, settings, and the lines for the founder's file.

use std::{fs, path::Path};

use alloy_primitives::B256;
use cairn_node::validator::NodeKeys;
use eyre::{Result, WrapErr as _};
use serde_json::json;

use crate::{
    cli::ValidatorInitArgs,
    host::{Role, Settings, settings_path},
    output::Output,
};

/// Makes what is missing in the folder; keys that are there stay.
pub fn init(args: &ValidatorInitArgs) -> Result<()> {
    fs::create_dir_all(&args.dir).wrap_err_with(|| format!("making {}", args.dir.display()))?;
    let settings = write_settings(&args.dir, Role::Validator)?;
    let (operator, key) = match (&args.signer, args.consensus_key) {
        (Some(socket), Some(key)) => {
            let operator = NodeKeys::make_operator(&args.dir)?;
            name_signer(&settings, socket)?;
            (operator.address(), key)
        }
        _ => {
            let keys = NodeKeys::load_or_create(&args.dir)?;
            (keys.operator.address(), keys.consensus_key())
        }
    };
    let stanza = stanza(&args.name, operator, key, args.bond_stones)?;
    let value = json!({
        "dir": args.dir, "operator": operator.to_string(), "consensus_key": key.to_string(),
        "settings": settings, "stanza": stanza,
    });
    Output { json: args.json }.answer(&value, || {
        format!(
            "keys       {} (mode 0600; run only one node with them: a second would vote against the first)\n\
             operator   {operator}\nconsensus  {key}\nsettings   {}: set p2p.dialable, p2p.bootstrap and http.public_url\n\n\
             Send this to the founder:\n\n{stanza}",
            args.dir.join("keys").display(),
            settings.display(),
        )
    });
    Ok(())
}

fn stanza(
    name: &str,
    operator: alloy_primitives::Address,
    key: B256,
    bond_stones: u64,
) -> Result<String> {
    let name = toml::Value::String(name.to_owned());
    Ok(format!(
        "[[validators]]\nname = {name}\noperator = \"{operator}\"\nconsensus_key = \"{key}\"\nbond_stones = {bond_stones}\n"
    ))
}

/// Writes the example settings of a role unless there are settings already.
pub fn write_settings(dir: &Path, role: Role) -> Result<std::path::PathBuf> {
    let path = settings_path(dir);
    if !path.exists() {
        fs::write(&path, Settings::example(role))
            .wrap_err_with(|| format!("writing {}", path.display()))?;
    }
    Ok(path)
}

/// Puts the signer's socket into settings that name none.
fn name_signer(settings: &Path, socket: &Path) -> Result<()> {
    let text =
        fs::read_to_string(settings).wrap_err_with(|| format!("reading {}", settings.display()))?;
    if text.contains("[signer]") {
        return Ok(());
    }
    let socket = toml::Value::String(socket.display().to_string());
    fs::write(settings, format!("{text}\n[signer]\nsocket = {socket}\n"))
        .wrap_err_with(|| format!("writing {}", settings.display()))
}
