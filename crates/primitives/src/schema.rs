//! Registered schemas: which integer stands for what, in which unit. A batch names its schema by id.

use serde::{Deserialize, Serialize};

/// Number of a registered schema. Wire format, never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SchemaId(pub u16);

/// One column of a schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// Column name, as in SQL and in Parquet files.
    pub name: &'static str,
    /// Unit of the value for people.
    pub unit: &'static str,
    /// The stored integer is the value times this.
    pub scale: u32,
}

/// A registered schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schema {
    /// Its number.
    pub id: SchemaId,
    /// Its name.
    pub name: &'static str,
    /// The columns of a row, in order.
    pub fields: &'static [Field],
}

/// Surface weather, schema 1.
pub const WEATHER: Schema = Schema {
    id: SchemaId(1),
    name: "weather",
    fields: &[
        Field { name: "temperature_c", unit: "°C", scale: 100 },
        Field { name: "humidity_pct", unit: "%", scale: 100 },
        Field { name: "wind_speed_ms", unit: "m/s", scale: 100 },
        Field { name: "wind_dir_deg", unit: "°", scale: 1 },
        Field { name: "pressure_hpa", unit: "hPa", scale: 100 },
        Field { name: "rain_mm", unit: "mm", scale: 100 },
        Field { name: "irradiance_w_m2", unit: "W/m²", scale: 10 },
    ],
};

impl Schema {
    /// Every registered schema.
    pub const ALL: [Self; 1] = [WEATHER];

    /// The schema with this number.
    #[must_use]
    pub fn get(id: SchemaId) -> Option<&'static Self> {
        const ALL: &[Schema] = &Schema::ALL;
        ALL.iter().find(|schema| schema.id == id)
    }
}
