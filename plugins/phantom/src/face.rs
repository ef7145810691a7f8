//! Below the skull: nose, sinuses, jaws, ear, neck. Only as much as a head CT shows at its lower end.

use crate::base::{FORAMEN, FORAMEN_Z, foramen_level};
use crate::orbit::orbit;
use crate::shapes::{ellipsoid, level, rod};
use crate::subject::Subject;
use crate::texture::Texture;
use crate::vector::{Point, length};

/// The spinal canal: cord and CSF below the plane of the foramen magnum.
pub fn canal(subject: &Subject, q: Point) -> Option<f32> {
    if q[2] > FORAMEN_Z {
        return None;
    }
    // Narrows from the foramen to the canal of the atlas.
    let narrow = (1.0 - (FORAMEN_Z - q[2]) / 40.0).clamp(0.7, 1.0);
    let wide = foramen_level(q[0], q[1]) / narrow;
    if wide > 1.0 {
        return None;
    }
    let cord = length(q[0] / 6.5, (q[1] - FORAMEN[0] - 1.0) / 5.5);
    Some(match cord {
        c if c < 1.0 => 34.0,
        _ if wide > 0.93 => subject.hu.dura,
        _ => subject.hu.csf,
    })
}

/// Density of what is more special than soft tissue at `q`, outside the skull and inside the skin.
pub fn face(subject: &Subject, texture: &Texture, q: Point) -> Option<f32> {
    if q[2] > -8.0 {
        return None;
    }
    let m: Point = [q[0].abs(), q[1], q[2]];
    if let Some(hu) = orbit(subject, m) {
        return Some(hu);
    }
    if q[1] > -14.0
        && let Some(hu) = nose(subject, texture, q, m)
    {
        return Some(hu);
    }
    if rod(m, [37.0, -24.0, -36.0], [84.0, -20.0, -38.0], 3.0, 3.6) < 0.0 {
        return Some(-1000.0); // external auditory canal
    }
    // Mastoid process, lower petrous bone, condyles: bone with a compact shell.
    let lumps = [
        ([54.0, -40.0, -44.0], [13.0, 17.0, 22.0]),
        ([27.0, -25.0, -42.0], [22.0, 12.0, 10.0]),
        ([17.0, -34.0, -59.0], [6.0, 11.0, 6.5]),
    ];
    for (centre, radii) in lumps {
        let d = ellipsoid(m, centre, radii);
        if d < 0.0 {
            let cells = centre[0] > 50.0 && d < -1.5 && texture.at(q, 2.6) < 2.4 * (subject.mastoid - 0.25);
            return Some(if cells { -980.0 } else { bone(subject, texture, q, d, 1.8) });
        }
    }
    let rods = [
        ([47.0, 50.0, -26.0], [49.0, 46.0, -52.0], 3.6, 4.6), // zygoma
        ([49.0, 45.0, -52.0], [66.0, 10.0, -47.0], 4.0, 2.6), // zygomatic arch
        ([66.0, 10.0, -47.0], [64.0, -12.0, -44.0], 2.6, 3.0),
        ([49.0, -6.0, -48.0], [47.0, 4.0, -110.0], 5.0, 6.0), // ramus of the mandible
    ];
    for (a, b, ra, rb) in rods {
        let d = rod(m, a, b, ra, rb);
        if d < 0.0 {
            return Some(bone(subject, texture, q, d, 1.6));
        }
    }
    // Atlas and dens.
    if q[2] < -63.0 {
        let ring = foramen_level(q[0] * 0.8, q[1]) - 1.15;
        if q[2] > -77.0 && ring.abs() < 0.22 {
            return Some(bone(subject, texture, q, (ring.abs() - 0.22) * 15.0, 1.2));
        }
        let dens = rod(q, [0.0, -20.5, -68.0], [0.0, -20.0, -110.0], 5.5, 8.0);
        if dens < 0.0 {
            return Some(bone(subject, texture, q, dens, 1.2));
        }
        let mass = ellipsoid(m, [20.0, -34.0, -70.0], [7.5, 10.0, 7.0]);
        if mass < 0.0 {
            return Some(bone(subject, texture, q, mass, 1.5));
        }
        if rod(q, [0.0, 4.0, -78.0], [0.0, -4.0, -130.0], 9.0, 7.0) < 0.0 {
            return Some(-1000.0); // pharynx
        }
    }
    None
}

/// Compact to `shell` mm under the surface, spongy below.
fn bone(subject: &Subject, texture: &Texture, q: Point, d: f32, shell: f32) -> f32 {
    if -d < shell { subject.hu.cortical * 0.85 } else { subject.hu.diploe * 0.7 + 90.0 * texture.at(q, 3.0) }
}

/// Sphenoid body and sinus, ethmoid cells, nasal cavity, maxillary sinuses, palate, nasopharynx.
fn nose(subject: &Subject, texture: &Texture, q: Point, m: Point) -> Option<f32> {
    let hu = &subject.hu;
    let air = -1000.0;
    let maxillary = ellipsoid(m, [30.0, 38.0, -69.0], [14.0, 17.0, 15.5]);
    if maxillary < 1.7 {
        return Some(if maxillary < 0.0 { air } else { hu.cortical * 0.7 });
    }
    if q[1] < 22.0 {
        let sinus = ellipsoid(q, [0.0, 9.0, -40.0], [15.0, 11.0, 8.5]);
        if sinus < 0.0 {
            return Some(if (q[0] - 2.0).abs() < 0.6 { hu.cortical * 0.6 } else { air });
        }
        if level(q, [0.0, 4.0, -39.0], [21.0, 18.0, 15.0]) < 1.0 {
            return Some(if sinus < 1.4 { hu.cortical * 0.8 } else { hu.diploe + 90.0 * texture.at(q, 3.0) });
        }
        if level(q, [0.0, 4.0, -66.0], [13.0, 11.0, 13.0]) < 1.0 {
            return Some(air); // nasopharynx
        }
        if m[0] > 12.0 && m[0] < 15.0 && q[2] > -72.0 && q[1] > 8.0 {
            return Some(hu.cortical * 0.7); // pterygoid plates
        }
    }
    if q[1] > 14.0 && q[1] < 66.0 && m[0] < 15.0 {
        if q[2] > -45.0 {
            // Ethmoid: cells with thin septa, the papery plate at the side.
            let septum = texture.at(q, 3.4).abs() < 0.17 || m[0] > 13.6 || m[0] < 0.7;
            return Some(if septum { 350.0 } else { air });
        }
        if q[2] > -80.0 {
            let septum = (q[0] - 1.5 * texture.at([0.0, q[1], q[2]], 16.0)).abs() < 1.0;
            return Some(match texture.at(q, 5.5) {
                _ if septum => 180.0,
                _ if m[0] > 13.4 => hu.cortical * 0.6,
                t if t > 0.1 => 42.0, // turbinates
                _ => air,
            });
        }
    }
    if q[1] > 64.0 && q[1] < 84.0 && q[2] > -42.0 && (m[0] - 0.6 * (84.0 - q[1])).abs() < 1.5 {
        return Some(hu.cortical * 0.8); // nasal bones
    }
    if m[0] < 24.0 && q[1] > 22.0 && q[1] < 68.0 && q[2] < -80.0 && q[2] > -84.0 {
        return Some(hu.cortical * 0.8); // palate
    }
    None
}
