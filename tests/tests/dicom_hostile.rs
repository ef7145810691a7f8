//! Damaged and lying DICOM files, and what of the patient may leave the loader: nothing.

#![allow(clippy::unwrap_used, reason = "tests")]

use dicom_object::InMemDicomObject;
use ichor_host::Limits;
use ichor_tests::dicom::scan::{Scan, enhanced, oblique, refused, try_load, write, written};
use ichor_tests::dicom::{Image, Primitive, Syntax, Vr, tag};
use ichor_tests::stage::Bench;
use ichor_tests::{Case, files_under, run, run_ok};
use serde_json::json;

#[test]
fn a_damaged_file_in_the_middle_is_an_error_that_names_it_by_number() {
    let bench = Bench::new(2);
    let scan = Scan::axial(&[0.0, 5.0, 10.0, 15.0, 20.0], 0.0);
    let whole = scan.image(2).file(Syntax::Explicit);
    let damages: [(&str, Vec<u8>); 4] = [
        ("is cut off", whole[..whole.len() - 100].to_vec()),
        ("is cut off", whole[..600].to_vec()),
        ("is no DICOM file", b"damaged".to_vec()),
        ("is no DICOM file", Vec::new()),
    ];
    for (what, bytes) in damages {
        let case = written(&scan);
        case.write("14.dcm", bytes);
        let refused = refused(&bench, &case);
        assert!(refused.starts_with("file 3 of 5 (in the order of their names) "), "{refused}");
        assert!(refused.contains(what), "{refused}");
    }
}

#[test]
fn claims_are_compared_with_the_file_before_memory_is_asked_for() {
    // In a worker that has little memory: what is claimed is gigabytes.
    let mut bench = Bench::new(1);
    bench.worker = true;
    bench.limits = Limits { seconds: None, bytes: Some(160 << 20) };
    let case = Case::new();
    let scan = Scan::axial(&[0.0, 5.0, 10.0], 0.0);
    type Change<'a> = &'a dyn Fn(&mut Image);
    let claims: [(Change, &str); 6] = [
        (
            &|i| _ = i.number(tag::ROWS, 8192).number(tag::COLUMNS, 8192),
            "bytes of pixels where 8192 x 8192 x 1",
        ),
        (&|i| _ = i.number(tag::ROWS, 0), "has 0 rows"),
        (&|i| _ = i.number(tag::COLUMNS, 60_000), "has 60000 columns"),
        (&|i| _ = i.text(tag::NUMBER_OF_FRAMES, Vr::IS, "1000000"), "1000000 frames"),
        (&|i| _ = i.text(tag::NUMBER_OF_FRAMES, Vr::IS, "-7"), "damaged number of frames"),
        (&|i| _ = i.number(tag::BITS_STORED, 17), "has pixels of 17 bits"),
    ];
    for (change, what) in claims {
        write(&case, &scan.images(), Syntax::Explicit);
        let mut image = scan.image(1);
        change(&mut image);
        case.write("07.dcm", image.file(Syntax::Explicit));
        let refused = refused(&bench, &case);
        // A slice of another size is another series; alone it is what is asked for.
        let alone = try_load(&bench, json!({ "source": case.path("07.dcm") })).err().unwrap();
        assert!(
            refused.contains(what) || alone.contains(what) || alone.contains("1 slice is"),
            "{what}: {refused}"
        );
    }
    // A small file that inflates to a gigabyte.
    let mut bomb = scan.image(0).file(Syntax::Deflated);
    let from = 132 + 12 + u32::from_le_bytes(bomb[140..144].try_into().unwrap()) as usize;
    let mut deflated = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::new(9));
    let zeros = vec![0; 1 << 20];
    (0..256).for_each(|_| std::io::Write::write_all(&mut deflated, &zeros).unwrap());
    bomb.truncate(from);
    bomb.extend(deflated.finish().unwrap());
    let source = case.write("bomb.dcm", &bomb);
    let refused = try_load(&bench, json!({ "source": source })).err().unwrap();
    assert!(refused.contains("deflated more than 64 times"), "{refused}");
}

/// Whatever is done to a file, the loader comes back with a volume or a sentence.
#[test]
fn damaged_bytes_are_never_a_bug() {
    let bench = Bench::new(1);
    let case = Case::new();
    let scan = Scan { size: [6, 5], ..oblique() };
    let image = enhanced(&scan, &[3, 0, 6, 1, 5, 2, 4]);
    let files = [Syntax::Explicit, Syntax::Implicit, Syntax::BigEndian, Syntax::Deflated, Syntax::Rle]
        .map(|s| image.file(s));
    let source = case.path("x.dcm");
    let mut read = 0;
    for round in 0..3000u64 {
        let random = |n: u64, below: usize| (ichor_image::random::at(round, n) % below as u64) as usize;
        let mut bytes = files[random(0, files.len())].clone();
        for n in 0..1 + random(1, 4) as u64 {
            let at = 132 + random(10 * n + 2, bytes.len() - 132);
            match random(10 * n + 3, 6) {
                0 => bytes[at] = random(10 * n + 4, 256) as u8,
                1 => bytes[at] ^= 1 << random(10 * n + 4, 8),
                2 => bytes.truncate(at.max(140)),
                3 => bytes[at..].iter_mut().take(4).for_each(|b| *b = 0xff),
                4 => bytes[at..].iter_mut().take(1 + random(10 * n + 4, 16)).for_each(|b| *b = 0),
                _ => {
                    let part: Vec<u8> = bytes[at..].iter().take(random(10 * n + 4, 40)).copied().collect();
                    bytes.splice(at..at, part);
                }
            }
        }
        std::fs::write(&source, &bytes).unwrap();
        match try_load(&bench, json!({ "source": source })) {
            Ok(_) => read += 1,
            Err(text) => assert!(!text.contains("bug"), "round {round}: {text}"),
        }
    }
    assert!(read > 100, "{read} were read: damage should not always be deadly");
}

/// Thirty strings that name somebody, somewhere or some day, and where they hide.
fn with_canaries(image: &mut Image, n: usize) -> Vec<String> {
    let mut canaries = Vec::new();
    let mut canary = |text: &str| {
        let text = format!("Canary{text}");
        canaries.push(text.clone());
        text
    };
    for (tag, vr) in [
        (tag::PATIENT_NAME, Vr::PN),
        (tag::PATIENT_ID, Vr::LO),
        (tag::OTHER_PATIENT_NAMES, Vr::PN),
        (tag::PATIENT_ADDRESS, Vr::LO),
        (tag::PATIENT_COMMENTS, Vr::LT),
        (tag::PATIENT_TELEPHONE_NUMBERS, Vr::SH),
        (tag::MILITARY_RANK, Vr::LO),
        (tag::OCCUPATION, Vr::SH),
        (tag::ADDITIONAL_PATIENT_HISTORY, Vr::LT),
        (tag::INSTITUTION_NAME, Vr::LO),
        (tag::INSTITUTION_ADDRESS, Vr::ST),
        (tag::REFERRING_PHYSICIAN_NAME, Vr::PN),
        (tag::PERFORMING_PHYSICIAN_NAME, Vr::PN),
        (tag::OPERATORS_NAME, Vr::PN),
        (tag::STATION_NAME, Vr::SH),
        (tag::DEVICE_SERIAL_NUMBER, Vr::LO),
        (tag::ACCESSION_NUMBER, Vr::SH),
        (tag::STUDY_ID, Vr::SH),
        (tag::STUDY_DESCRIPTION, Vr::LO),
        (tag::SERIES_DESCRIPTION, Vr::LO),
        (tag::PROTOCOL_NAME, Vr::LO),
        (tag::IMAGE_COMMENTS, Vr::LT),
        (tag::REQUESTED_PROCEDURE_DESCRIPTION, Vr::LO),
    ] {
        let text = canary(&format!("{:04x}{:04x}", tag.0, tag.1));
        image.text(tag, vr, &text);
    }
    // Dates and times have forms of their own.
    for (tag, vr, text) in [
        (tag::STUDY_DATE, Vr::DA, "19630704"),
        (tag::PATIENT_BIRTH_DATE, Vr::DA, "19180518"),
        (tag::ACQUISITION_DATE_TIME, Vr::DT, "19630704113355"),
    ] {
        image.text(tag, vr, text);
        canaries.push(text.to_owned());
    }
    // Private attributes, Siemens' CSA header among them.
    let mut canary = |text: &str| {
        let text = format!("Canary{text}");
        canaries.push(text.clone());
        text
    };
    let (owner, private, csa) = (canary("Owner"), canary("Private"), canary("Csa"));
    image.text(dicom_core::Tag(0x0029, 0x0010), Vr::LO, "SIEMENS CSA HEADER");
    image.text(dicom_core::Tag(0x0029, 0x0011), Vr::LO, &owner);
    image.text(dicom_core::Tag(0x0029, 0x1120), Vr::LO, &private);
    let block = [b"SV10\x04\x03\x02\x01".as_slice(), csa.as_bytes(), &[0; 3]].concat();
    image.object.put(dicom_core::DataElement::new(
        dicom_core::Tag(0x0029, 0x1010),
        Vr::OB,
        Primitive::from(block),
    ));
    let inner = canary("Nested");
    let mut person = InMemDicomObject::new_empty();
    person.put(dicom_core::DataElement::new(tag::PATIENT_NAME, Vr::PN, Primitive::from(inner)));
    image.sequence(tag::REFERENCED_PATIENT_SEQUENCE, vec![person]);
    canaries.push(format!("CanaryFile{n}"));
    canaries
}

#[test]
fn nothing_that_names_the_patient_leaves_the_loader() {
    let case = Case::new();
    let scan = Scan::axial(&[0.0, 4.0, 8.0, 12.0, 13.1, 20.1, 27.1], 0.3);
    std::fs::create_dir_all(case.path("scan/CanaryFolder")).unwrap();
    let mut canaries = vec!["CanaryFolder".to_owned()];
    for (n, image) in scan.images().iter().enumerate() {
        let mut image = image.clone();
        let of_file = with_canaries(&mut image, n);
        assert!(of_file.len() >= 30);
        case.write(&format!("scan/CanaryFolder/CanaryFile{n}.dcm"), image.file(Syntax::Explicit));
        canaries.extend(of_file);
    }
    let pipeline = case.write(
        "p.yaml",
        "ichor: 1
name: p
inputs: { ct: { kind: volume, unit: HU } }
stages:
  load: { use: load-dicom, with: { source: $inputs.ct } }
  look: { use: inspect-ct, in: { ct: load.image, slices: load.slices } }
  save: { use: save-table, in: { tables: [load.report, look.report] } }
  slices: { use: save-table, in: { tables: [load.slices] } }
outputs: { ct: load.image, report: save.tsv, slices: slices.json }
",
    );
    let out = case.path("out");
    let source = format!("ct={}", case.path("scan"));
    let ended = run_ok(["run", &pipeline, "-i", &source, "-o", &out]);
    // And when it fails.
    let inside = format!("scan/CanaryFolder/CanaryFile{}.dcm", 3);
    let whole = case.read(&inside);
    case.write(&inside, &whole[..whole.len() - 200]);
    let failed = run(["run", &pipeline, "-i", &source, "-o", &case.path("failed")]);
    assert!(failed.code != 0 && failed.stderr.contains("file 4 of 7"), "{}", failed.stderr);
    let mut left = vec![(
        "output".to_owned(),
        [ended.stdout, ended.stderr, failed.stdout, failed.stderr].concat().into_bytes(),
    )];
    for folder in ["out", "failed"] {
        collect(std::path::Path::new(&case.path(folder)), &mut left);
    }
    // The cache is seen through: the table of slices is there, and it alone has UIDs.
    let uid = "1.2.826.0.1.7.9";
    let holds_uid = |bytes: &[u8]| String::from_utf8_lossy(bytes).contains(uid);
    let with_uid: Vec<&str> =
        left.iter().filter(|(_, bytes)| holds_uid(bytes)).map(|(name, _)| name.as_str()).collect();
    for part in ["ichor-cache/stages", "ichor-cache/values"] {
        assert!(with_uid.iter().any(|name| name.contains(part)), "{part}: {with_uid:?}");
    }
    assert!(
        with_uid.iter().all(|name| name.contains("ichor-cache/") || name.ends_with("slices.json")),
        "{with_uid:?}"
    );
    for (name, bytes) in &left {
        let text = String::from_utf8_lossy(bytes);
        for canary in &canaries {
            assert!(!text.contains(canary) && !name.contains(canary), "{canary} is in {name}");
        }
    }
}

/// What files hold, as they are and with everything that is packed in them unpacked.
fn collect(folder: &std::path::Path, left: &mut Vec<(String, Vec<u8>)>) {
    for path in files_under(folder) {
        let name = path.display().to_string();
        let bytes = std::fs::read(&path).unwrap();
        let mut inflated = Vec::new();
        _ = std::io::Read::read_to_end(&mut flate2::read::MultiGzDecoder::new(&bytes[..]), &mut inflated);
        left.push((name.clone(), inflated));
        // Values of the cache: blocks of Zstandard behind a line of JSON.
        let magic = [0x28, 0xb5, 0x2f, 0xfd];
        for at in (0..bytes.len()).filter(|&at| bytes[at..].starts_with(&magic)) {
            let block =
                zstd::stream::read::Decoder::new(&bytes[at..]).map(zstd::stream::read::Decoder::single_frame);
            let mut plain = Vec::new();
            _ = std::io::Read::read_to_end(&mut block.unwrap(), &mut plain);
            left.push((name.clone(), plain));
        }
        // Small ones: hexadecimal in the entry of their stage.
        let text = String::from_utf8_lossy(&bytes);
        for digits in text.split(|c: char| !c.is_ascii_hexdigit()).filter(|d| d.len() >= 16) {
            let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
            left.push((name.clone(), digits.as_bytes().chunks_exact(2).map(byte).collect()));
        }
        left.push((name, bytes));
    }
}
