//! Node settings: a TOML file, overridden by the environment. Unknown keys are refused; an error names key and value.
//!
//! `PREFIX__SECTION__KEY=value` overrides `section.key`. The value is read as TOML if it is TOML (`8545`, `true`, `["a"]`)
//! and as text otherwise. The settings type must carry `#[serde(deny_unknown_fields)]`.

use std::{io, path::Path};

use serde::de::DeserializeOwned;
use toml::{Table, Value};

/// Why settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read {path}")]
    Read {
        /// The file.
        path: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The file is no TOML.
    #[error("{path} is not TOML: {reason}")]
    Syntax {
        /// The file.
        path: String,
        /// Where and why.
        reason: String,
    },
    /// A key that is unknown, missing or has a value out of place.
    #[error("setting `{key}` = {value}: {reason}")]
    Setting {
        /// The key, with its sections.
        key: String,
        /// Its value as given; `(missing)` if there is none.
        value: String,
        /// What is wrong.
        reason: String,
    },
}

/// Reads `path` and the environment variables that begin with `prefix` and two underscores.
///
/// # Errors
/// See [`ConfigError`].
pub fn load<T: DeserializeOwned>(path: &Path, prefix: &str) -> Result<T, ConfigError> {
    let name = path.display().to_string();
    let text = std::fs::read_to_string(path)
        .map_err(|source| ConfigError::Read { path: name.clone(), source })?;
    parse(&name, &text, prefix, std::env::vars())
}

/// The same over given text and variables.
///
/// # Errors
/// See [`ConfigError`].
pub fn parse<T: DeserializeOwned>(
    name: &str,
    text: &str,
    prefix: &str,
    env: impl IntoIterator<Item = (String, String)>,
) -> Result<T, ConfigError> {
    let mut table: Table = text.parse().map_err(|error: toml::de::Error| ConfigError::Syntax {
        path: name.to_owned(),
        reason: error.to_string(),
    })?;
    let start = format!("{prefix}__");
    let mut overrides: Vec<(String, String)> =
        env.into_iter().filter(|(key, _)| key.starts_with(&start)).collect();
    overrides.sort();
    for (key, value) in overrides {
        let keys: Vec<String> = key[start.len()..].split("__").map(str::to_lowercase).collect();
        insert(&mut table, &keys, read_value(&value)).map_err(|()| ConfigError::Setting {
            key,
            value,
            reason: "a part of this key is a value, not a section".to_owned(),
        })?;
    }
    // Rendered again, so that an error in an overridden value points at a line as well.
    let merged = table.to_string();
    toml::from_str(&merged).map_err(|error| setting_error(&merged, &error))
}

fn read_value(text: &str) -> Value {
    format!("v = {text}")
        .parse::<Table>()
        .ok()
        .and_then(|mut table| table.remove("v"))
        .unwrap_or_else(|| Value::String(text.to_owned()))
}

fn insert(table: &mut Table, keys: &[String], value: Value) -> Result<(), ()> {
    match keys {
        [] => Err(()),
        [key] => {
            table.insert(key.clone(), value);
            Ok(())
        }
        [section, rest @ ..] => {
            let next = table.entry(section.clone()).or_insert_with(|| Value::Table(Table::new()));
            insert(next.as_table_mut().ok_or(())?, rest, value)
        }
    }
}

/// Turns a position in the merged text into the key and the value that stand there.
fn setting_error(merged: &str, error: &toml::de::Error) -> ConfigError {
    let reason = error.message().to_owned();
    let at = error.span().map_or(0, |span| span.start).min(merged.len());
    let line_start = merged[..at].rfind('\n').map_or(0, |end| end + 1);
    let line = merged[line_start..].lines().next().unwrap_or_default();
    let section = merged[..line_start]
        .lines()
        .rev()
        .find_map(|line| line.strip_prefix('[')?.strip_suffix(']'))
        .map(|section| format!("{section}."))
        .unwrap_or_default();
    let quoted = reason.split('`').nth(1).unwrap_or("?");
    match line.split_once(" = ") {
        // A missing field has no place of its own: serde names it in its message.
        _ if reason.starts_with("missing field") => {
            ConfigError::Setting { key: quoted.to_owned(), value: "(missing)".to_owned(), reason }
        }
        Some((key, value)) => {
            ConfigError::Setting { key: format!("{section}{key}"), value: value.to_owned(), reason }
        }
        None => ConfigError::Setting { key: quoted.to_owned(), value: line.to_owned(), reason },
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Settings {
        name: String,
        rpc: Rpc,
    }
    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Rpc {
        port: u16,
    }

    fn read(text: &str, env: &[(&str, &str)]) -> Result<Settings, String> {
        let env = env.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        parse("node.toml", text, "CAIRN", env).map_err(|error| error.to_string())
    }

    #[test]
    fn the_environment_overrides_the_file() {
        let settings =
            read("name = 'a'\n[rpc]\nport = 1\n", &[("CAIRN__RPC__PORT", "9"), ("OTHER", "x")])
                .unwrap();
        assert_eq!(settings, Settings { name: "a".to_owned(), rpc: Rpc { port: 9 } });
    }

    #[test]
    fn errors_name_key_and_value() {
        let file = "name = 'a'\n[rpc]\nport = 1\n";
        for (text, env, key, value) in [
            ("name = 'a'\nwidth = 3\n[rpc]\nport = 1\n", vec![], "width", "3"),
            ("name = 'a'\n[rpc]\nport = 'x'\n", vec![], "rpc.port", "\"x\""),
            (file, vec![("CAIRN__RPC__PORT", "70000")], "rpc.port", "70000"),
            (file, vec![("CAIRN__RPC__SPEED", "2")], "rpc.speed", "2"),
            ("[rpc]\nport = 1\n", vec![], "name", "(missing)"),
        ] {
            let error = read(text, &env).unwrap_err();
            assert!(error.starts_with(&format!("setting `{key}` = {value}: ")), "{error}");
        }
    }
}
