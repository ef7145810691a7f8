//! Types a parameter may have, each with its piece of JSON Schema.

use crate::{Error, Result};
use serde_json::Value;

/// A type that a stage's field can have. Derive it for enums; numbers, text, lists and `Option` are here.
pub trait Param: Sized {
    /// Members of the JSON Schema object up to where limits belong.
    const OPEN: &'static str;
    /// The same with null allowed.
    const OPEN_NULLABLE: &'static str;
    /// The lower limit that the type itself has, as a member of the schema.
    const FLOOR: &'static str = "";
    /// What closes what `OPEN` opened.
    const CLOSE: &'static str = "";
    /// Reads a value that the host has checked against the schema.
    ///
    /// # Errors
    /// What was expected and what came.
    fn from_json(value: &Value) -> Result<Self, String>;
    /// The value of an absent parameter; only `Option` has one.
    fn absent() -> Option<Self> {
        None
    }
}

macro_rules! scalar {
    ($($ty:ty, $name:literal, $limits:literal, $read:expr;)*) => {$(
        impl Param for $ty {
            const OPEN: &'static str = concat!("\"type\":\"", $name, "\"");
            const OPEN_NULLABLE: &'static str = concat!("\"type\":[\"", $name, "\",\"null\"]");
            const FLOOR: &'static str = $limits;
            fn from_json(value: &Value) -> Result<Self, String> {
                let read: fn(&Value) -> Option<$ty> = $read;
                read(value).ok_or_else(|| format!("expected {}, got {value}", $name))
            }
        }
        impl Param for Vec<$ty> {
            const OPEN: &'static str =
                concat!("\"type\":\"array\",\"items\":{\"type\":\"", $name, "\"");
            const OPEN_NULLABLE: &'static str =
                concat!("\"type\":[\"array\",\"null\"],\"items\":{\"type\":\"", $name, "\"");
            const FLOOR: &'static str = $limits;
            const CLOSE: &'static str = "}";
            fn from_json(value: &Value) -> Result<Self, String> {
                let list = value.as_array().ok_or_else(|| format!("expected a list, got {value}"))?;
                list.iter().map(Param::from_json).collect()
            }
        }
        array!($ty, $name, $limits, 2);
        array!($ty, $name, $limits, 3);
    )*};
}

macro_rules! array {
    ($ty:ty, $name:literal, $limits:literal, $n:literal) => {
        impl Param for [$ty; $n] {
            const OPEN: &'static str = concat!(
                "\"type\":\"array\",\"minItems\":",
                $n,
                ",\"maxItems\":",
                $n,
                ",\"items\":{\"type\":\"",
                $name,
                "\""
            );
            const OPEN_NULLABLE: &'static str = concat!(
                "\"type\":[\"array\",\"null\"],\"minItems\":",
                $n,
                ",\"maxItems\":",
                $n,
                ",\"items\":{\"type\":\"",
                $name,
                "\""
            );
            const FLOOR: &'static str = $limits;
            const CLOSE: &'static str = "}";
            fn from_json(value: &Value) -> Result<Self, String> {
                let list = Vec::<$ty>::from_json(value)?;
                list.try_into().map_err(|_| format!("expected {} values, got {value}", $n))
            }
        }
    };
}

scalar! {
    f64, "number", "", |v| v.as_f64();
    i64, "integer", "", |v| v.as_i64();
    u64, "integer", ",\"minimum\":0", |v| v.as_u64();
    u32, "integer", ",\"minimum\":0", |v| v.as_u64().and_then(|n| n.try_into().ok());
    usize, "integer", ",\"minimum\":0", |v| v.as_u64().and_then(|n| n.try_into().ok());
    bool, "boolean", "", |v| v.as_bool();
    String, "string", "", |v| v.as_str().map(ToOwned::to_owned);
}

impl<T: Param> Param for Option<T> {
    const OPEN: &'static str = T::OPEN_NULLABLE;
    const OPEN_NULLABLE: &'static str = T::OPEN_NULLABLE;
    const FLOOR: &'static str = T::FLOOR;
    const CLOSE: &'static str = T::CLOSE;
    fn from_json(value: &Value) -> Result<Self, String> {
        if value.is_null() { Ok(None) } else { T::from_json(value).map(Some) }
    }
    fn absent() -> Option<Self> {
        Some(None)
    }
}

/// The parameters of one stage instance, as the host sent them.
pub struct Params<'a>(pub(crate) &'a Value);

impl Params<'_> {
    /// The parameter `name`.
    ///
    /// # Errors
    /// [`Error::bad_params`] when it is absent or of another type.
    pub fn take<T: Param>(&self, name: &str) -> Result<T> {
        match self.0.get(name) {
            Some(value) => {
                T::from_json(value).map_err(|why| Error::bad_params(format!("parameter `{name}`: {why}")))
            }
            None => T::absent().ok_or_else(|| Error::bad_params(format!("parameter `{name}` is missing"))),
        }
    }
}
