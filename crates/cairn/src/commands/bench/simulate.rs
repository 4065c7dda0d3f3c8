//! `cairn bench simulate`: days of the economy a CPU second, beside the frameworks that people model token economies with.

use cairn_sim::economy::{peers, presets, scenario::Scenario};
use eyre::{OptionExt as _, Result, WrapErr as _, bail};

use super::Figure;

/// How far minting may be from mechaFIL's, relative.
const MECHAFIL_APART_MAX: f64 = 1e-9;

/// Ours beside plain Python, radCAD and cadCAD on the same integer model, and Filecoin's minting beside mechaFIL's. Fails when
/// a peer's final state is another one.
pub fn simulate() -> Result<Vec<Figure>> {
    let name = "demand-arrives";
    let text = presets::text(name).ok_or_eyre("the preset is built in")?;
    let params = Scenario::parse(name, text)?.economy;
    let dir = std::env::temp_dir().join("cairn-bench-simulate");
    let measured = peers::measure(&params, &dir, &|what| eprintln!("{what}"))
        .wrap_err("running the peers from PyPI, which needs python3 with venv")?;
    let rate = |peer: &peers::Peer| peer.steps as f64 / peer.cpu.as_secs_f64().max(1e-9);
    let Some((ours, others)) = measured.peers.split_first() else { bail!("nobody was measured") };
    let mut figures = Vec::new();
    for peer in others {
        if peer.hash != ours.hash {
            bail!("{}: final state {} is not ours, {}", peer.name, peer.hash, ours.hash);
        }
        figures.push(Figure {
            name: format!(
                "days of the economy, one thread, beside {} (same final state)",
                peer.name
            ),
            value: rate(ours),
            unit: "per CPU second",
            reference: "the peer, per CPU second",
            reference_value: rate(peer),
            ratio: rate(ours) / rate(peer).max(1e-9),
        });
    }
    if measured.mechafil > MECHAFIL_APART_MAX {
        bail!("Filecoin's minting differs from mechaFIL's by {:e}", measured.mechafil);
    }
    figures.push(Figure {
        name: "Filecoin minting over 20 years, largest difference to mechaFIL, 1e-9".to_owned(),
        value: measured.mechafil * 1e9,
        unit: "1e-9, relative",
        reference: "most allowed",
        reference_value: MECHAFIL_APART_MAX * 1e9,
        ratio: measured.mechafil / MECHAFIL_APART_MAX,
    });
    Ok(figures)
}
