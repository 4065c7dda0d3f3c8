//! Two answers, value by value: what differs, by its path.

use serde::Serialize;
use serde_json::Value;

/// One value that is not what it should be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// Where: `indicators.4.figures.0.value`.
    pub path: String,
    /// What the node serves; null where it serves nothing.
    pub served: Value,
    /// What blocks and evidence give; null where they give nothing.
    pub recomputed: Value,
}

/// Every value in which the two differ, in the order of the document. Keys that only one of them has differ too.
#[must_use]
pub fn differences(served: &Value, recomputed: &Value) -> Vec<Difference> {
    let mut found = Vec::new();
    walk("", served, recomputed, &mut found);
    found
}

fn walk(path: &str, served: &Value, recomputed: &Value, found: &mut Vec<Difference>) {
    let below = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
    match (served, recomputed) {
        (Value::Object(a), Value::Object(b)) => {
            let mut keys: Vec<&String> = a.keys().chain(b.keys()).collect();
            keys.sort_unstable();
            keys.dedup();
            for key in keys {
                match (a.get(key), b.get(key)) {
                    (Some(a), Some(b)) => walk(&below(key), a, b, found),
                    (a, b) => found.push(Difference {
                        path: below(key),
                        served: a.cloned().unwrap_or_default(),
                        recomputed: b.cloned().unwrap_or_default(),
                    }),
                }
            }
        }
        (Value::Array(a), Value::Array(b)) => {
            for index in 0..a.len().max(b.len()) {
                let none = Value::Null;
                let (a, b) = (a.get(index).unwrap_or(&none), b.get(index).unwrap_or(&none));
                walk(&below(&index.to_string()), a, b, found);
            }
        }
        (a, b) if a == b => {}
        (a, b) => found.push(Difference {
            path: path.to_owned(),
            served: a.clone(),
            recomputed: b.clone(),
        }),
    }
}
