//! What is asked of a haematoma, and what the seed fills in.

use crate::draw::Draw;
use ichor_sdk::Param;

/// Where the haematoma lies.
#[derive(Param, Clone, Copy, Debug, PartialEq)]
pub enum Site {
    /// Putamen or thalamus.
    Deep,
    /// White matter of a lobe.
    Lobar,
    /// Cerebellar hemisphere.
    Cerebellar,
    /// One of the others, as often as in patients: 55 % deep, 32 % lobar, 13 % cerebellar.
    Random,
}

impl Site {
    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Deep => "deep",
            Self::Lobar => "lobar",
            Self::Cerebellar => "cerebellar",
            Self::Random => "random",
        }
    }
}

/// The wishes; what is `None` is drawn.
#[derive(Clone, Debug, Default)]
pub struct Wishes {
    pub haematoma_ml: Option<f64>,
    pub site: Option<Site>,
    pub irregularity: Option<f64>,
    pub heterogeneity: Option<f64>,
    pub fluid_level: Option<f64>,
    pub satellites: Option<u32>,
    pub oedema_mm: Option<f64>,
    pub blood_hu: Option<f64>,
}

/// A haematoma in numbers.
#[derive(Clone, Debug)]
pub struct Lesion {
    pub ml: f32,
    pub site: Site,
    pub irregularity: f32,
    pub heterogeneity: f32,
    /// Share of the clot that is plasma above a fluid level; 0 for none.
    pub fluid_level: f32,
    pub satellites: u32,
    pub oedema_mm: f32,
    pub oedema_hu: f32,
    pub blood_hu: f32,
    /// Share of the clot's volume by which tissue was pushed away; the rest was destroyed or filled CSF.
    pub pushed: f32,
}

impl Lesion {
    /// Fills in what is not wished. `None` for a head without haematoma.
    pub fn new(seed: u64, wishes: &Wishes) -> Option<Self> {
        let d = &mut Draw::new(seed, 3);
        let dice = d.range(0.0, 1.0);
        let drawn_site = match dice {
            x if x < 0.55 => Site::Deep,
            x if x < 0.87 => Site::Lobar,
            _ => Site::Cerebellar,
        };
        let site = match wishes.site {
            Some(Site::Random) | None => drawn_site,
            Some(site) => site,
        };
        let largest = if site == Site::Cerebellar { 35.0 } else { 100.0 };
        let drawn_ml = d.log_range(0.3, largest);
        let ml = wishes.haematoma_ml.map_or(drawn_ml, |v| v as f32);
        // Everything is drawn, wished or not, so that one wish does not change the others.
        let irregularity = d.range(0.0, 1.0);
        let heterogeneity = d.range(0.0, 1.0);
        let fluid = (d.chance(0.12), d.range(0.2, 0.6));
        let satellites = (d.chance(0.3), d.count(1, 4));
        let oedema = (d.range(0.0, 1.0) + 0.3) * (2.0 + 1.6 * ml.max(0.0).cbrt());
        let blood_hu = d.range(56.0, 76.0);
        let oedema_hu = d.range(14.0, 22.0);
        let pushed = d.range(0.7, 1.0);
        let pick = |wish: Option<f64>, drawn: f32| wish.map_or(drawn, |v| v as f32);
        (ml > 0.0).then(|| Self {
            ml,
            site,
            irregularity: pick(wishes.irregularity, irregularity),
            heterogeneity: pick(wishes.heterogeneity, heterogeneity),
            fluid_level: pick(wishes.fluid_level, if fluid.0 && ml > 5.0 { fluid.1 } else { 0.0 }),
            satellites: wishes.satellites.unwrap_or(if satellites.0 && ml > 3.0 { satellites.1 } else { 0 }),
            oedema_mm: pick(wishes.oedema_mm, oedema),
            oedema_hu,
            blood_hu: pick(wishes.blood_hu, blood_hu),
            pushed,
        })
    }
}
