//! `ichor check` finds mistakes of geometry and type before any voxel is read; `docs/mistakes.md` shows each message.

use ichor_tests::{Case, compile_plugin, root, run};
use std::fs::{File, read_to_string};
use std::io::Write;

/// Writes a header that promises i16 or u8 voxels, and room for them that nobody wrote.
fn header(case: &Case, name: &str, dims: &[i16], is_mask: bool, rows: [[f32; 4]; 3]) {
    let mut head = [0u8; 352];
    let mut put = |at: usize, bytes: &[u8]| head[at..at + bytes.len()].copy_from_slice(bytes);
    let (code, bits) = if is_mask { (2i16, 8i16) } else { (4, 16) };
    put(0, &348i32.to_le_bytes());
    put(40, &(dims.len() as i16).to_le_bytes());
    for n in 1..8 {
        let size = dims.get(n - 1).copied().unwrap_or(1);
        put(40 + 2 * n, &size.to_le_bytes());
        put(76 + 4 * n, &1f32.to_le_bytes());
    }
    for (n, column) in [0, 1, 2].into_iter().enumerate() {
        let length = rows.iter().map(|row| row[column].powi(2)).sum::<f32>().sqrt();
        put(80 + 4 * n, &length.to_le_bytes());
    }
    put(70, &code.to_le_bytes());
    put(72, &bits.to_le_bytes());
    put(108, &352f32.to_le_bytes()); // vox_offset
    put(123, &[2]); // mm
    put(254, &1i16.to_le_bytes()); // sform_code
    for (r, row) in rows.iter().enumerate() {
        for (c, value) in row.iter().enumerate() {
            put(280 + 16 * r + 4 * c, &value.to_le_bytes());
        }
    }
    put(344, b"n+1\0");
    let voxels: u64 = dims.iter().map(|&n| n as u64).product();
    let mut file = File::create(case.path(name)).unwrap();
    file.write_all(&head).unwrap();
    file.set_len(352 + voxels * bits as u64 / 8).unwrap();
}

#[test]
fn each_planted_mistake_is_found_from_headers_and_its_message_is_in_the_docs() {
    let case = Case::new();
    compile_plugin(&root().join("tests/mistakes/picky.c"), case.dir.path());
    let upright = [[-0.45, 0.0, 0.0, 115.0], [0.0, -0.45, 0.0, 115.0], [0.0, 0.0, 5.0, -80.0]];
    let mut tilted = upright;
    (tilted[1][2], tilted[2][2]) = (-1.7101, 4.6985); // 5 mm, 20 degrees towards P
    let mut elsewhere = upright;
    elsewhere[2][3] = -68.0;
    header(&case, "ct.nii", &[512, 512, 32], false, upright);
    header(&case, "tilted.nii", &[512, 512, 32], false, tilted);
    header(&case, "cavity.nii", &[512, 512, 32], true, elsewhere);
    header(&case, "perfusion.nii", &[512, 512, 8, 30], false, upright);

    let docs = read_to_string(root().join("docs/mistakes.md")).unwrap();
    let folder = root().join("tests/mistakes");
    let mut names: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|e| e.unwrap().file_name()).collect();
    names.retain(|n| n.to_str().unwrap().ends_with(".yaml"));
    names.sort();
    assert_eq!(names.len(), 10);
    let mut missing = Vec::new();
    for name in names {
        let path = format!("tests/mistakes/{}", name.to_str().unwrap());
        let text = read_to_string(root().join(&path)).unwrap();
        let mut args =
            vec!["check".to_owned(), path.clone(), "--plugin-path".into(), case.path("").to_owned()];
        for input in ["ct", "tilted", "cavity", "perfusion"] {
            if text.contains(&format!("$inputs.{input}")) {
                args.extend(["-i".to_owned(), format!("{input}={}", case.path(&format!("{input}.nii")))]);
            }
        }
        let ended = run(&args);
        assert_eq!(ended.code, 2, "{path}: {}{}", ended.stdout, ended.stderr);
        let message = ended.stderr.replace(&case.path(""), "");
        let message: Vec<&str> = message.lines().filter(|l| !l.starts_with("warning: ")).collect();
        let message = message.join("\n");
        if !docs.contains(&text) || !docs.contains(message.trim()) {
            missing.push(format!("### {path}\n```yaml\n{text}```\n```text\n{message}\n```\n"));
        }
    }
    // A run finds the same before it starts.
    for name in ["05-thick-slices", "08-two-grids"] {
        let (pipeline, out) = (format!("tests/mistakes/{name}.yaml"), case.path("out"));
        let (ct, folder) = (format!("ct={}", case.path("ct.nii")), case.path(""));
        let ended = run(["run", &pipeline, "-i", &ct, "-o", &out, "--plugin-path", &folder]);
        assert!(ended.code == 2 && ended.stderr.contains("would fail: "), "{}", ended.stderr);
        assert!(case.list("out").is_empty());
    }
    assert!(missing.is_empty(), "docs/mistakes.md lacks or has otherwise:\n{}", missing.join("\n"));
}
