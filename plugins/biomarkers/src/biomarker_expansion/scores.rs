//! Markers that are put together, and published scores.

use super::SpotSign;
use super::clinical::{Clinical, Item, Sum};
use super::reported::Reported;
use ichor_sdk::Cell;

/// What the images told.
pub struct Markers {
    pub volume: f64,
    pub blend: Option<bool>,
    pub hypodensity: Option<bool>,
    pub black_hole: Option<bool>,
    pub swirl: Option<bool>,
    pub fluid_level: Option<bool>,
    pub heterogeneous: Option<bool>,
    pub island: Reported,
    pub satellite: Reported,
    pub irregular: Reported,
}

/// Adds a row: name, value, unit, definition, and why it is null.
pub type Add<'a> = dyn FnMut(&str, Cell, &str, &str, &str) + 'a;

const CARE: &str = "research use, not for clinical decisions";

pub fn rows(add: &mut Add, m: &Markers, c: &Clinical, why: &str) {
    let unclear = |value: Option<bool>, reason: &'static str| {
        let reason = if why.is_empty() { reason } else { why };
        if value.is_some() { String::new() } else { reason.to_owned() }
    };
    let level = "it may be a fluid level or a blend sign; give position";
    let inside: [(&str, Option<bool>, &str, &'static str); 6] = [
        ("marker_blend", m.blend, "blend sign (Li, Stroke 2015)", level),
        ("marker_hypodensity", m.hypodensity, "an encapsulated hypodensity (Boulouis, JAMA Neurol 2016)", ""),
        ("marker_black_hole", m.black_hole, "black-hole sign (Li, Stroke 2016)", ""),
        (
            "marker_swirl",
            m.swirl,
            "swirl sign (Selariu, BMC Neurol 2012; Ng, AJNR 2018)",
            "HU of brain are not known; give brain_hu",
        ),
        ("marker_fluid_level", m.fluid_level, "fluid level", level),
        (
            "marker_heterogeneous",
            m.heterogeneous,
            "density surrogate of at least 3 (after Barras, Stroke 2009)",
            "",
        ),
    ];
    for (name, value, text, reason) in inside {
        let text = format!("{text}, by the rules of biomarker-heterogeneity");
        add(name, value.into(), "", &text, &unclear(value, reason));
    }
    let outside = [
        ("marker_island", &m.island, "island sign (Li, Stroke 2017)"),
        ("marker_satellite", &m.satellite, "satellite sign (Shimoda, Stroke 2017)"),
        ("marker_irregular", &m.irregular, "shape surrogate of at least 3 (after Barras, Stroke 2009)"),
    ];
    for (name, reported, text) in outside {
        let text = format!("{text}, from biomarker-irregularity");
        add(name, reported.value().into(), "", &text, reported.reason());
    }

    let all = [
        Item::yes("blend", m.blend, 1),
        Item::yes("hypodensity", m.hypodensity, 1),
        Item::yes("black hole", m.black_hole, 1),
        Item::yes("swirl", m.swirl, 1),
        Item::yes("fluid level", m.fluid_level, 1),
        Item::yes("heterogeneous density", m.heterogeneous, 1),
        Item::yes("island", m.island.value(), 1),
        Item::yes("satellite", m.satellite.value(), 1),
        Item::yes("irregular shape", m.irregular.value(), 1),
    ];
    let text = "how many of the nine markers above are true; they overlap, so it is no score (after the list of Morotti, \
                Ann Neurol 2019)";
    score(add, "marker_count", &Sum::of(&all), 9, text);

    // One true marker is enough, and all must be known for none.
    let prone = [m.blend, m.black_hole, m.island.value()];
    let value = if prone.contains(&Some(true)) {
        Some(true)
    } else {
        prone.iter().all(Option::is_some).then_some(false)
    };
    let text = format!(
        "expansion-prone haematoma: blend sign, black-hole sign or island sign (Li, Neurocrit Care 2019; the \
         definition was not checked against the paper); {CARE}"
    );
    add("expansion_prone", value.into(), "", &text, "a marker is not known and none of the others is true");

    let bat = [
        Item::yes("blend sign", m.blend, 1),
        Item::yes("hypodensity", m.hypodensity, 2),
        Item::yes("onset_to_ct_h", c.hours.map(|h| h < 2.5), 2),
    ];
    let text = format!(
        "BAT score, 0 to 5: blend sign 1, any hypodensity 2, CT less than 2.5 h from onset 2 (Morotti, Stroke \
         2018;49:1163; items and range checked, points not); at least 3 is high risk; made without patients with \
         coagulopathy; {CARE}"
    );
    let sum = Sum::of(&bat);
    score(add, "bat", &sum, 5, &text);
    let high = match sum.range {
        [low, _] if low >= 3 => Some(true),
        [_, high] if high < 3 => Some(false),
        _ => None,
    };
    let text = format!("BAT of at least 3, also where a missing value cannot change it; {CARE}");
    add("bat_high", high.into(), "", &text, "it depends on what is missing");

    let text = format!(
        "five image items, 1 point each: volume of at least 30 mL, blood in the ventricles (ivh), island, black-hole and \
         swirl sign (World J Radiol 2025;17:112983, abstract; 192 patients); {CARE}"
    );
    let five = [
        Item::yes("volume", Some(m.volume >= 30.0), 1),
        Item::yes("ivh", c.ivh, 1),
        Item::yes("island sign", m.island.value(), 1),
        Item::yes("black-hole sign", m.black_hole, 1),
        Item::yes("swirl sign", m.swirl, 1),
    ];
    score(add, "ncct_five_point", &Sum::of(&five), 5, &text);

    let volume = |steps: [(f64, u32); 2], most: u32| {
        steps.iter().find(|(to, _)| m.volume <= *to).map_or(most, |(_, points)| *points)
    };
    let hours = c.hours.map(|h| {
        let steps = [(1.0, 5), (2.0, 4), (3.0, 3), (4.0, 2), (5.0, 1)];
        steps.iter().find(|(to, _)| h <= *to).map_or(0, |(_, points)| *points)
    });
    let brain = [
        Item::new("volume", Some(volume([(10.0, 0), (20.0, 5)], 7)), [0, 7]),
        Item::yes("recurrent_ich", c.recurrent, 4),
        Item::yes("warfarin", c.warfarin, 6),
        Item::yes("ivh", c.ivh, 2),
        Item::new("onset_to_ct_h", hours, [0, 5]),
    ];
    let text = format!(
        "BRAIN score, 0 to 24: volume up to 10 mL 0, up to 20 mL 5, more 7; recurrent haemorrhage 4; warfarin 6; blood in \
         the ventricles 2; CT up to 1 h from onset 5, 2 h 4, 3 h 3, 4 h 2, 5 h 1, later 0 (Wang, JNNP 2015); {CARE}"
    );
    score(add, "brain_score", &Sum::of(&brain), 24, &text);

    let nag = [
        Item::yes("nihss", c.nihss.map(|n| n >= 10), 1),
        Item::yes("anticoagulant", c.anticoagulant, 1),
        Item::yes("glucose_mg_dl", c.glucose.map(|g| g >= 133.0), 1),
    ];
    let text = format!(
        "NAG scale, 0 to 3: NIHSS of at least 10, anticoagulant, glucose of at least 133 mg/dL, 1 each (Sakuta 2018); no \
         image item; {CARE}"
    );
    score(add, "nag", &Sum::of(&nag), 3, &text);

    let spot = c.spot.map(|s| match s {
        SpotSign::Present => 3,
        SpotSign::Absent => 0,
        SpotSign::NotDone => 1,
    });
    let third = if m.volume < 30.0 { 0 } else { 1 + u32::from(m.volume > 60.0) };
    let nine = [
        Item::yes("warfarin", c.warfarin, 2),
        Item::yes("onset_to_ct_h", c.hours.map(|h| h <= 6.0), 2),
        Item::new("volume", Some(third), [0, 2]),
        Item::new("spot_sign", spot, [0, 3]),
    ];
    let text = format!(
        "9-point score: warfarin 2, CT up to 6 h from onset 2, volume 30 to 60 mL 1, more 2, spot sign present 3, not \
         done 1 (Brouwers, JAMA Neurol 2014; points not checked against the paper); {CARE}"
    );
    score(add, "nine_point", &Sum::of(&nine), 9, &text);
}

/// A score and what it can be.
fn score(add: &mut Add, name: &str, sum: &Sum, most: u32, text: &str) {
    let missing = format!("missing: {}", sum.missing.join(", "));
    add(name, sum.points.into(), "1", text, &missing);
    let bounds = format!("of {most}; what is missing may be anything: {}", sum.missing.join(", "));
    let bounds = if sum.missing.is_empty() { format!("of {most}; nothing is missing") } else { bounds };
    add(&format!("{name}_min"), sum.range[0].into(), "1", &format!("least that {name} can be, {bounds}"), "");
    add(&format!("{name}_max"), sum.range[1].into(), "1", &format!("most that {name} can be, {bounds}"), "");
}
