//! Damaged and hostile NIfTI files: refused in a sentence, without the memory that they claim.

#![allow(clippy::unwrap_used, reason = "tests")]

use ichor_host::Limits;
use ichor_tests::Case;
use ichor_tests::nifti::{absurd, bomb, dims, floats, gzip, misplaced, small};
use ichor_tests::stage::{Affine, Bench, i16s, lps_grid};
use serde_json::{Value as Json, json};

/// A bench whose stages may have 16 MiB of their own.
fn bench() -> Bench {
    let mut bench = Bench::new(2);
    bench.worker = true;
    bench.limits = Limits { seconds: None, bytes: Some(16 << 20) };
    bench
}

fn refusal(bench: &Bench, path: &str) -> String {
    let text = bench.run("load-nifti", json!({ "source": path }), &[]).unwrap_err().to_string();
    assert!(text.starts_with(&format!("`{path}` ")) && !text.contains('\n'), "{text}");
    text
}

/// A CT of some 90 kB as int16, as files of every kind: plain, gzip of one and of several members, and ours.
fn files(bench: &Bench) -> [(&'static str, Vec<u8>); 4] {
    let grid = lps_grid([64, 50, 14], [0.5, 0.5, 5.0]);
    let ct = bench.ct(&grid, |[i, j, k]| ((i * 31 + j * 17 + k * 53 + i * j * 7) % 331) as i16 * 9 - 1024);
    let save = |compression: u32| {
        let params = json!({ "compression": compression });
        bench.run("save-nifti", params, &[("image", &ct)]).unwrap()["file"].bytes().to_vec()
    };
    let plain = save(0);
    let many = plain.chunks(20_000).flat_map(gzip).collect();
    [("one.nii.gz", gzip(&plain)), ("many.nii.gz", many), ("ours.nii.gz", save(1)), ("plain.nii", plain)]
}

#[test]
fn a_file_cut_off_anywhere_is_refused() {
    let (bench, case) = (Bench::new(1), Case::new());
    for (name, file) in files(&bench) {
        assert!(bench.run("load-nifti", json!({ "source": case.write(name, &file) }), &[]).is_ok());
        let cuts = (0..100).map(|percent| file.len() * percent / 100);
        for cut in cuts.chain([file.len() - 9, file.len() - 8, file.len() - 1]) {
            let path = case.write(&format!("{cut}-{name}"), &file[..cut]);
            let text = refusal(&bench, &path);
            let known = ["cut off", "ends early", "is no NIfTI file: it holds only"];
            assert!(known.iter().any(|why| text.contains(why)), "{name} cut at {cut}: {text}");
        }
    }
}

#[test]
fn checksums_and_lengths_are_believed_and_rests_are_not() {
    let (bench, case) = (Bench::new(1), Case::new());
    for (name, file) in files(&bench).into_iter().filter(|f| f.0 != "plain.nii") {
        for at in file.len() - 8..file.len() {
            let mut bad = file.clone();
            bad[at] ^= 0x20;
            let text = refusal(&bench, &case.write(&format!("{at}-{name}"), &bad));
            assert!(text.contains("checksum"), "{name} byte {at}: {text}");
        }
        for rest in [&b"trailing garbage"[..], &[0, 0, 7], &file[..1], &file[..30]] {
            let text = refusal(&bench, &case.write("rest.nii.gz", [&file, rest].concat()));
            assert!(text.contains("no gzip follows") || text.contains("ends early"), "{name}: {text}");
        }
        // Zeros are padding, as of a tape.
        let padded = case.write("padded.nii.gz", [&file[..], &[0; 700]].concat());
        assert!(bench.run("load-nifti", json!({ "source": padded }), &[]).is_ok(), "{name}");
    }
    // Sound gzip around more than the header says: read, and said.
    let longer = [small(), b"more".to_vec()].concat();
    for (name, file) in [("longer.nii", longer.clone()), ("longer.nii.gz", gzip(&longer))] {
        let out = bench.run("load-nifti", json!({ "source": case.write(name, &file) }), &[]).unwrap();
        assert_eq!(i16s(&out["image"])[23], 23);
        assert!(bench.log.lock().unwrap().iter().any(|l| l.1.contains("4 bytes behind the voxels")));
    }
}

#[test]
fn absurd_headers_are_refused_before_memory_is_taken() {
    let (bench, case) = (bench(), Case::new());
    for (name, file, why) in absurd() {
        for file in [file.clone(), gzip(&file)] {
            let text = refusal(&bench, &case.write("x.nii", &file));
            assert!(text.contains(why) || text.contains("gzip cannot hold"), "{name}: {text}");
        }
    }
    // Sound for 4 x 3 x 2 voxels, so that it is the change that is refused.
    assert!(bench.run("load-nifti", json!({ "source": case.write("x.nii", small()) }), &[]).is_ok());
}

#[test]
fn a_transform_that_makes_no_grid_is_refused_and_a_conflict_is_said() {
    let (bench, case) = (Bench::new(1), Case::new());
    for (name, file, why) in misplaced() {
        let text = refusal(&bench, &case.write("x.nii", &file));
        assert!(text.contains(why), "{name}: {text}");
    }
    let load = |file: &[u8], params: Json| {
        let mut all = json!({ "source": case.write("x.nii", file) });
        all.as_object_mut().unwrap().extend(params.as_object().unwrap().clone());
        let image = bench.run("load-nifti", all, &[]).unwrap()["image"].clone();
        let log: Vec<String> = bench.log.lock().unwrap().drain(..).map(|l| l.1).collect();
        (image.grid().unwrap().affine, log)
    };
    // The sform wins by rule, and a person is told.
    let lps = Affine([[-0.5, 0.0, 0.0, 10.0], [0.0, -0.5, 0.0, 20.0], [0.0, 0.0, 5.0, -30.0]]);
    let mut conflict = small();
    floats(&mut conflict, 268, &[13.0]);
    let (affine, log) = load(&conflict, json!({}));
    assert_eq!(affine, lps);
    assert!(log[0].contains("place voxels up to 3.00 mm apart; the sform is used"), "{log:?}");
    let (affine, log) = load(&conflict, json!({ "transform": "qform" }));
    assert_eq!((affine.0[0][3], log.len()), (13.0, 0));
    // Left and right are a guess when nothing is said of them, and that is said.
    let mut nothing = small();
    nothing[252..256].fill(0);
    let (_, log) = load(&nothing, json!({}));
    assert!(log[0].contains("LEFT AND RIGHT ARE A GUESS"), "{log:?}");
}

#[test]
fn bombs_stop_at_what_the_header_promises() {
    let (bench, case) = (bench(), Case::new());
    // 1 MB that becomes 1 GB, which is as far as deflate goes, behind a header for 24 voxels.
    let one = bomb(&small(), 1000);
    assert!(one.len() < 1_100_000);
    let text = refusal(&bench, &case.write("bomb.nii.gz", &one));
    assert!(text.contains("more than the 400 bytes that its header promises"), "{text}");
    // The same as 1000 members: 10 MB that become 10 GB.
    let member = bomb(&[], 10);
    let members = [gzip(&small()), member.repeat(1000)].concat();
    let text = refusal(&bench, &case.write("members.nii.gz", &members));
    assert!(text.contains("more than the 400 bytes"), "{text}");
    // 20 kB whose header promises 10 GB that they cannot hold.
    let mut head = small()[..352].to_vec();
    dims(&mut head, [3, 2000, 2000, 1250, 1, 1, 1, 1]);
    let text = refusal(&bench, &case.write("promise.nii.gz", bomb(&head, 20)));
    assert!(text.contains("bytes of gzip cannot hold"), "{text}");
    // 200 kB whose header tells the truth are 200 MB, which is more than the stage may have.
    dims(&mut head, [3, 500, 1000, 200, 1, 1, 1, 1]);
    let params = json!({ "source": case.write("truth.nii.gz", bomb(&head, 200)) });
    let text = bench.run("load-nifti", params, &[]).unwrap_err().to_string();
    assert!(text.contains("memory"), "{text}");
}
