"""What an engine costs a stage: the same chain of next to nothing in Ichor, Nipype and Pydra.

A stage adds one to a number. (Stages that hand the same value on would not do: Pydra runs equal calls once.) Every
run is a process of its own in a fresh folder; engines and lengths take turns, so that a busy moment of the machine
hits all of them. Setting up: README.md beside this file; figures: docs/benchmarks/overhead.md.

    python tests/peers/overhead.py --ichor target/release/ichor [--pydra-0 OTHER/bin/python] [--repeats 7]
"""

import argparse
import importlib.metadata
import itertools
import json
import os
import platform
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LENGTHS = (1, 10)


# The peers' chains; each runs in a process of its own and prints what it came to.


def plus_one(value):
    return value + 1


def nipype_interface():
    from nipype.interfaces.base import BaseInterfaceInputSpec, SimpleInterface, TraitedSpec, traits

    class In(BaseInterfaceInputSpec):
        value = traits.Int()

    class Out(TraitedSpec):
        value = traits.Int()

    class Plus(SimpleInterface):
        """The least that a Nipype stage can be and still run: no code is compiled, as for a Function."""

        input_spec = In
        output_spec = Out

        def _run_interface(self, runtime):
            self._results["value"] = self.inputs.value + 1
            return runtime

    # Nipype pickles what it runs, by name.
    for made in (In, Out, Plus):
        made.__qualname__ = made.__name__
        setattr(sys.modules[made.__module__], made.__name__, made)
    return Plus


def nipype_chain(setting, stages, folder):
    from nipype import Function, IdentityInterface, Node, Workflow

    make = {
        "function": lambda: Function(["value"], ["value"], function=plus_one),
        "interface": nipype_interface(),
        "identity": lambda: IdentityInterface(["value"]),
    }[setting["node"]]
    chain = Workflow("chain", base_dir=folder)
    chain.config["execution"] = {"crashdump_dir": folder, **setting.get("config", {})}
    nodes = [Node(make(), name=f"s{n}") for n in range(stages)]
    nodes[0].inputs.value = 7
    chain.add_nodes(nodes[:1])
    for one, other in itertools.pairwise(nodes):
        chain.connect(one, "value", other, "value")
    arguments = {"n_procs": 2} if setting["plugin"] == "MultiProc" else {}
    begin = time.perf_counter()
    graph = chain.run(plugin=setting["plugin"], plugin_args=arguments)
    seconds = time.perf_counter() - begin
    ran = list(graph.nodes)
    last = [node for node in ran if node.name == f"s{stages - 1}"]
    return seconds, len(ran), last[0].result.outputs.value if last else 7 + stages


def pydra_1_chain(setting, stages, folder):
    from pydra.compose import python, workflow
    from pydra.engine.submitter import Submitter

    @python.define
    def Plus(value: int) -> int:
        return value + 1

    @workflow.define
    def Chain(value: int, stages: int) -> int:
        for n in range(stages):
            value = workflow.add(Plus(value=value), name=f"s{n}").out
        return value

    begin = time.perf_counter()
    with Submitter(worker=setting["worker"], cache_root=folder) as submit:
        result = submit(Chain(value=7, stages=stages))
    seconds = time.perf_counter() - begin
    return seconds, made(folder, "python"), result.outputs.out


def pydra_0_chain(setting, stages, folder):
    import pydra

    chain = pydra.Workflow(name="chain", input_spec=["value"], value=7, cache_dir=folder)
    task = pydra.mark.task(plus_one)
    value = chain.lzin.value
    for n in range(stages):
        chain.add(task(name=f"s{n}", value=value))
        value = getattr(chain, f"s{n}").lzout.out
    chain.set_output([("out", value)])
    begin = time.perf_counter()
    with pydra.Submitter(plugin=setting["worker"]) as submit:
        submit(chain)
    seconds = time.perf_counter() - begin
    return seconds, made(folder, "FunctionTask"), chain.result().output.out


def made(folder, kind):
    """How many stages left a result of their own."""
    return sum(p.is_dir() and p.name.startswith(f"{kind}") for p in Path(folder).iterdir())


def child(name, setting, stages, folder):
    chain = {"nipype": nipype_chain, "pydra 1": pydra_1_chain, "pydra 0": pydra_0_chain}[name]
    seconds, ran, value = chain(setting, stages, folder)
    print(json.dumps({"seconds": seconds, "ran": ran, "value": value}))


# The settings that are compared, and how to run one.


def settings(options):
    """Engine, name of the setting, what the engine is told, and the length of a longer chain that measures finely:
    a stage costs less than the start of a process varies."""
    quick = {"poll_sleep_duration": 0.001}
    out = [
        ("ichor", "in process", {"isolate": "in-process", "use": "count-on"}, 1000),
        ("ichor", "in process, the value handed on", {"isolate": "in-process", "use": "count-same"}, 1000),
        ("ichor", "a worker process a stage", {"isolate": "worker", "use": "count-on"}, 100),
        ("nipype", "Linear, no-op interface", {"node": "interface", "plugin": "Linear"}, 100),
        ("nipype", "Linear, Function", {"node": "function", "plugin": "Linear"}, 100),
        ("nipype", "Linear, IdentityInterface", {"node": "identity", "plugin": "Linear"}, 100),
        (
            "nipype",
            "MultiProc, Function, poll_sleep_duration 1 ms",
            {"node": "function", "plugin": "MultiProc", "config": quick},
            None,
        ),
        ("pydra 1", "debug worker", {"worker": "debug"}, 100),
        ("pydra 1", "cf worker", {"worker": "cf"}, 100),
    ]
    if options.slow:
        out.insert(6, ("nipype", "MultiProc, Function", {"node": "function", "plugin": "MultiProc"}, None))
    if options.pydra_0:
        # Its worker without processes is called serial, and is the only one without.
        out += [("pydra 0", "serial", {"worker": "serial"}, 100), ("pydra 0", "cf", {"worker": "cf"}, 100)]
    return out


class Bench:
    def __init__(self, options, home):
        self.options, self.home = options, home
        # No engine asks the network for news, and none starts threads that others do not.
        self.environment = {
            **os.environ,
            "NO_ET": "1",
            "OMP_NUM_THREADS": "1",
            "PYTHONDONTWRITEBYTECODE": "0",
        }
        self.plugins = home / "plugins"
        self.plugins.mkdir()
        cc = [os.environ.get("CC", "cc"), "-std=c11", "-O2", "-fPIC", "-shared", "-fvisibility=hidden"]
        cc += ["-I", ROOT / "core/include", ROOT / "tests/peers/count.c", "-o", self.plugins / "libcount.so"]
        subprocess.run(cc, check=True)

    def pipeline(self, use, stages):
        path = self.home / f"{use}-{stages}.yaml"
        lines = ["ichor: 1", "stages:", "  s0: {use: count-from}"]
        lines += [f"  s{n}: {{use: {use}, in: {{value: s{n - 1}.value}}}}" for n in range(1, stages + 1)]
        lines += ["outputs:", f"  value: s{stages}.value"]
        path.write_text("\n".join(lines) + "\n")
        return path

    def run(self, name, setting, stages, folder):
        """Wall and processor seconds of the whole process, and wall seconds of the run inside it."""
        if name == "ichor":
            command = [self.options.ichor, "run", self.pipeline(setting["use"], stages), "-o", folder]
            command += ["--plugin-path", self.plugins, "--isolate", setting["isolate"]]
        else:
            python = self.options.pydra_0 if name == "pydra 0" else sys.executable
            command = [python, __file__, "--child", name, json.dumps(setting), str(stages), folder]
        begin, before = time.perf_counter(), processor_seconds()
        ended = subprocess.run(command, env=self.environment, cwd=self.home, capture_output=True, text=True)
        took = {"wall": time.perf_counter() - begin, "cpu": processor_seconds() - before}
        if ended.returncode != 0:
            sys.exit(f"{name} {setting} failed:\n{ended.stdout}{ended.stderr}")
        if name == "ichor":
            record = json.loads((folder / "run.json").read_text())
            states = [s["state"] for s in record["stages"] if s["use"] == setting["use"]]
            assert len(states) == stages and len(set(states)) == 1, states
            assert (folder / "value.txt").read_text() == str(7 + stages * (setting["use"] == "count-on"))
            return {**took, "inside": record["seconds"], "ran": stages, "state": states[0]}
        told = json.loads(ended.stdout.splitlines()[-1])
        assert told["value"] == 7 + stages, told
        return {**took, "inside": told["seconds"], "ran": told["ran"]}


def processor_seconds():
    """What processes that have ended took, those that they started and waited for among them."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def processor():
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":")[1].strip()
    return platform.machine()


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--ichor", type=lambda p: Path(p).resolve(), default=ROOT / "target/release/ichor")
    options.add_argument("--pydra-0", help="a Python with Pydra 0.25, the last without alpha in its number")
    options.add_argument("--repeats", type=int, default=7)
    options.add_argument(
        "--slow", action="store_true", help="also Nipype's MultiProc as it comes: 2 s a stage"
    )
    options.add_argument("--folder", type=Path, help="where to run: another disk, or memory such as /dev/shm")
    options.add_argument("--json", type=Path, help="write every measurement there")
    options.add_argument("--child", nargs=4, help=argparse.SUPPRESS)
    options = options.parse_args()
    if options.child:
        name, setting, stages, folder = options.child
        return child(name, json.loads(setting), int(stages), folder)

    version = importlib.metadata.version
    ichor = subprocess.run(
        [options.ichor, "--version"], capture_output=True, text=True, check=True
    ).stdout.strip()
    print(time.strftime("%Y-%m-%d"), ichor, "Nipype", version("nipype"), "Pydra", version("pydra"), end=" ")
    if options.pydra_0:
        code = "import importlib.metadata as m; print('and', m.version('pydra'))"
        print(
            subprocess.run([options.pydra_0, "-c", code], capture_output=True, text=True).stdout.strip(),
            end=" ",
        )
    print(
        f"Python {platform.python_version()}, Linux {platform.release()}, {processor()}, {os.cpu_count()} cores\n"
    )

    chosen = settings(options)
    taken = {}
    with tempfile.TemporaryDirectory(dir=options.folder) as home:
        bench = Bench(options, Path(home))
        for repeat in range(-1, options.repeats):
            for name, what, setting, longer in chosen:
                lengths = LENGTHS + ((longer,) if longer else ())
                for stages in lengths if repeat % 2 else reversed(lengths):
                    folder = Path(home) / f"run-{len(os.listdir(home))}-{repeat}"
                    folder.mkdir()
                    for again in ("fresh", "cached"):
                        result = bench.run(name, setting, stages, folder)
                        if name == "ichor":
                            assert result["state"] == ("done" if again == "fresh" else "reused")
                        if repeat >= 0:  # the round before is to warm the disk cache, and the peers' bytecode
                            taken.setdefault((name, what, stages, again), []).append(result)
                    shutil.rmtree(folder)
            print(f"round {repeat + 1} of {options.repeats}", file=sys.stderr)
    if options.json:
        options.json.write_text(json.dumps([[*key, value] for key, value in taken.items()]))

    def median(name, what, stages, again, which="wall"):
        return statistics.median(r[which] for r in taken[name, what, stages, again])

    def a_stage(name, what, longest, again="fresh", which="wall"):
        difference = median(name, what, longest, again, which) - median(name, what, 1, again, which)
        return difference / (longest - 1) * 1e3

    long = LENGTHS[1]
    head = [
        "engine",
        "setting",
        "stages run",
        f"{long} stages, whole, s",
        "again, s",
        f"a stage of {long}, ms",
    ]
    head += ["chain", "a stage finely, ms", "in the run, ms", "processor, ms", "again, in the run, ms"]
    print("| " + " | ".join(head) + " |\n" + "|---" * len(head) + "|")
    for name, what, _, longer in chosen:
        row = [name, what, str(taken[name, what, long, "fresh"][0]["ran"])]
        row += [f"{median(name, what, long, again):.3f}" for again in ("fresh", "cached")]
        row += [f"{a_stage(name, what, long):.2f}", str(longer or long)]
        row += [
            f"{a_stage(name, what, longer or long, 'fresh', which):.2f}"
            for which in ("wall", "inside", "cpu")
        ]
        row += [f"{a_stage(name, what, longer or long, 'cached', 'inside'):.2f}"]
        print("| " + " | ".join(row) + " |")

    # A setting whose stages the engine removes before the run measures no stage.
    peers = [c for c in chosen if c[0] != "ichor" and taken[c[0], c[1], long, "fresh"][0]["ran"] >= long]
    print()
    figures = {
        "a stage finely, in the run, ms": lambda c: a_stage(c[0], c[1], c[3] or long, "fresh", "inside"),
        "a stage finely, processor, ms": lambda c: a_stage(c[0], c[1], c[3] or long, "fresh", "cpu"),
        f"{long} stages, whole, s": lambda c: median(c[0], c[1], long, "fresh"),
        f"{long} stages again, whole, s": lambda c: median(c[0], c[1], long, "cached"),
    }
    for label, figure in figures.items():
        cheapest = min(peers, key=figure)
        for own in (c for c in chosen if c[0] == "ichor"):
            ratio = figure(cheapest) / figure(own)
            least = f"{cheapest[0]} {cheapest[1]}, {figure(cheapest):.3f}"
            print(
                f"{label}: the cheapest peer ({least}) takes {ratio:.1f} times Ichor's {own[1]}, {figure(own):.3f}"
            )


if __name__ == "__main__":
    main()
