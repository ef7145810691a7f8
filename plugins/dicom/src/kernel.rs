//! Whether a reconstruction kernel is for soft tissue or for bone.

/// What a kernel is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    Soft,
    Sharp,
}

/// By the names that vendors use; `None` for a name that is not known.
///
/// GE and others use words. Siemens counts up with sharpness (H31s, Hr40, J30s, H60s): from 50 on it is sharp. Canon and
/// Toshiba number by use: FC30 to 39 and 80 to 89 bone, 50 to 59 lung. Philips uses letters.
pub fn class(name: &str) -> Option<Class> {
    let name = name.trim().to_ascii_uppercase();
    let word = name.trim_end_matches(['+', ' ']);
    match word {
        "SOFT" | "STANDARD" | "STND" | "STD" | "BRAIN" | "DETAIL" | "A" | "B" | "C" | "UA" | "UB" | "UC" => {
            return Some(Class::Soft);
        }
        "BONE" | "BONEPLUS" | "EDGE" | "LUNG" | "ULTRA" | "D" | "E" | "L" | "YA" | "YB" | "YC" | "YD" => {
            return Some(Class::Sharp);
        }
        _ => {}
    }
    let letters: String = word.chars().take_while(char::is_ascii_alphabetic).collect();
    let digits: String = word.chars().skip(letters.len()).take_while(char::is_ascii_digit).collect();
    let number: u32 = digits.parse().ok()?;
    let sharp = match letters.as_str() {
        "FC" => matches!(number, 30..=39 | 50..=59 | 80..=89),
        "B" | "H" | "J" | "U" | "I" | "BR" | "HR" | "HC" | "HF" | "QR" | "UR" => (50..=99).contains(&number),
        _ => return None,
    };
    Some(if sharp { Class::Sharp } else { Class::Soft })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vendors_names_are_known() {
        for soft in ["STD+", "STANDARD", "H31s", "J30s\u{20}", "Hr40", "FC26", "FC64", "UB"] {
            assert_eq!(class(soft), Some(Class::Soft), "{soft}");
        }
        for sharp in ["BONE", "BONEPLUS", "H60s", "Hr59f", "FC30", "FC80", "D"] {
            assert_eq!(class(sharp), Some(Class::Sharp), "{sharp}");
        }
        for unknown in ["", "SMITH", "X12", "H"] {
            assert_eq!(class(unknown), None, "{unknown}");
        }
    }
}
