//! One step of `tests/peers/images.py` by Ichor's stages: prints how long it took, and how much time of processors, as
//! JSON, and says nothing of what came before.
//!
//! `images make FILE` | `read FILE` | `write FILE OUT COMPRESSION` | `resample FILE OUT linear|cubic|box`, then the threads

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark for developers")]

use ichor_host::Value;
use ichor_tests::stage::Bench;
use serde_json::{Value as Json, json};
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let argument = |n: usize| arguments[n].as_str();
    let mut bench = Bench::new(arguments.last().unwrap().parse().unwrap());
    if argument(0) == "write" {
        let _ = std::fs::remove_file(argument(2));
        bench.folder = Path::new(argument(2)).parent().unwrap().to_owned();
    }
    let run = |id: &str, params: Json, inputs: &[(&str, &Arc<Value>)]| {
        Arc::clone(bench.run(id, params, inputs).unwrap().values().next().unwrap())
    };
    let load = || run("load-nifti", json!({ "source": argument(1), "unit": "HU" }), &[]);
    let save = |image: &Arc<Value>, compression: u32| {
        run("save-nifti", json!({ "compression": compression }), &[("image", image)])
    };
    let (mut seconds, mut cpu) = (0.0, 0.0);
    let mut time = |step: &dyn Fn() -> Arc<Value>| {
        let (start, before) = (Instant::now(), cpu_seconds());
        let value = step();
        (seconds, cpu) = (start.elapsed().as_secs_f64(), cpu_seconds() - before);
        value
    };
    match argument(0) {
        "make" => {
            let params = json!({ "shape": [512, 512, 400], "spacing": [0.46, 0.46, 0.5] });
            let head = bench.run("phantom-head", params, &[]).unwrap();
            std::fs::write(argument(1), save(&head["ct"], 0).bytes()).unwrap();
        }
        "read" => drop(time(&load)),
        "write" => {
            let image = load();
            time(&|| {
                let file = save(&image, argument(3).parse().unwrap());
                // As a run does with its results.
                if !file.link(Path::new(argument(2))) {
                    let mut to = std::fs::File::create(argument(2)).unwrap();
                    file.parts().for_each(|part| to.write_all(&part).unwrap());
                }
                file
            });
        }
        _ => {
            let image = load();
            let mut params = json!({ "spacing": [0.43, 0.43, 5.0] });
            match argument(3) {
                "box" => params["profile"] = "box".into(),
                how => {
                    params["profile"] = "none".into();
                    params["interpolation"] = how.into();
                }
            }
            let out = time(&|| run("resample", params.clone(), &[("image", &image)]));
            drop(image);
            std::fs::write(argument(2), save(&out, 0).bytes()).unwrap();
        }
    }
    println!("{}", json!({ "seconds": seconds, "cpu": cpu }));
}

/// What this process took of the processors, in the system as well: fields 14 and 15 of proc_pid_stat(5), in ticks of
/// 10 ms.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let (_, fields) = stat.rsplit_once(')').unwrap();
    fields.split_whitespace().skip(11).take(2).map(|ticks| ticks.parse::<f64>().unwrap() / 100.0).sum()
}
