//! The measurements of many cases by one or several methods.

mod characteristics;
mod read;

pub use characteristics::Characteristics;
pub use read::read;

/// A quantity that was measured.
#[derive(Clone, Debug, PartialEq)]
pub struct Measure {
    /// Its name in tables of measurements.
    pub name: String,
    /// Its unit; empty for none.
    pub unit: String,
}

/// What is known of one measure of one case by one method.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub enum Reading {
    /// There is no measurement.
    #[default]
    Missing,
    /// It was measured and has no value, as distances of an empty mask.
    Undefined,
    /// A value.
    Value(f64),
}

/// The measurements of many cases.
#[derive(Clone, Debug, Default)]
pub struct Cohort {
    /// Names of cases, in the order in which they came.
    pub cases: Vec<String>,
    /// Names of methods, observers or variants; one empty name when there is but one.
    pub methods: Vec<String>,
    /// What was measured, in the order in which it came.
    pub measures: Vec<Measure>,
    /// The convention of distances, where tables say one.
    pub convention: Option<String>,
    /// By method, case and measure.
    readings: Vec<Vec<Vec<Reading>>>,
}

impl Cohort {
    /// One reading.
    pub fn reading(&self, method: usize, case: usize, measure: usize) -> Reading {
        let of_case = self.readings.get(method).and_then(|m| m.get(case));
        of_case.and_then(|c| c.get(measure)).copied().unwrap_or_default()
    }

    /// One value.
    pub fn value(&self, method: usize, case: usize, measure: usize) -> Option<f64> {
        match self.reading(method, case, measure) {
            Reading::Value(x) => Some(x),
            _ => None,
        }
    }

    /// The number of the measure `name`.
    pub fn measure(&self, name: &str) -> Option<usize> {
        self.measures.iter().position(|m| m.name == name)
    }

    /// The measures of these names, all when there are none.
    ///
    /// # Errors
    /// One is not there; the sentence says which are.
    pub fn choose(&self, names: &[String]) -> ichor_sdk::Result<Vec<usize>> {
        if names.is_empty() {
            return Ok((0..self.measures.len()).collect());
        }
        let all = || self.measures.iter().map(|m| m.name.as_str()).collect::<Vec<_>>().join(", ");
        let find = |name: &String| {
            self.measure(name).ok_or_else(|| {
                ichor_sdk::Error::bad_params(format!("no table measures `{name}`; there are {}", all()))
            })
        };
        names.iter().map(find).collect()
    }
}

impl Measure {
    /// As the paper heads its rows, with the unit.
    pub fn label(&self) -> String {
        let name = match self.name.as_str() {
            "dice" => "DSC",
            "hd" => "HD",
            "hd95" => "95% HD",
            "mhd" => "MHD",
            "cmd" => "CMD",
            "assd" => "ASSD",
            "avd" | "avd_ml" => "AVD",
            "vd" | "vd_ml" => "VD",
            "surface_dice" => "Surface DSC",
            "volume" => "Volume",
            "volume_reference" => "Reference volume",
            name => name,
        };
        match self.unit.as_str() {
            "" | "1" => name.to_owned(),
            unit => format!("{name} ({unit})"),
        }
    }

    /// Whether a larger value is better; `None` when that cannot be told from the name.
    pub fn larger_is_better(&self) -> Option<bool> {
        match self.name.as_str() {
            "dice" | "surface_dice" | "sensitivity" | "precision" | "lesions_hit" => Some(true),
            "hd" | "hd95" | "mhd" | "cmd" | "assd" | "avd" | "avd_ml" | "lesions_missed"
            | "lesions_false" => Some(false),
            _ => None,
        }
    }
}
