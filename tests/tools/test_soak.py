import json
import sys

import pytest
import soak

WRITES = "import json, sys; json.dump({'crashes': 7}, open(sys.argv[1], 'w')); sys.exit(int(sys.argv[2]))"


@pytest.fixture
def run(tmp_path):
    def run_part(program, *arguments, must=0):
        (tmp_path / "p.py").write_text(program)
        command = " ".join([sys.executable, str(tmp_path / "p.py"), *arguments])
        part = soak.Part("part", command, 5, must)
        return soak.run(part, 42, out=tmp_path, root=tmp_path)

    return run_part


def test_a_campaign_is_followed_by_its_plants_in_short_form():
    campaign = soak.Campaign("c", "run --n {n}", schedules=1000, short=10, plants=("x", "y"))
    assert list(soak.parts([campaign], 0.5)) == [
        soak.Part("c", "run --n {n}", 500, must=0),
        soak.Part("c.plant.x", "run --n {n} --plant x", 10, must=1),
        soak.Part("c.plant.y", "run --n {n} --plant y", 10, must=1),
    ]


def test_the_model_tests_run_50000_schedules_and_their_plants():
    names = {part.name: part for part in soak.parts(soak.CAMPAIGNS, 1)}
    plants = {
        "journal_model": ("journal", "directory"),
        "catalog_model": ("catalog", "directory"),
        "history_model": ("journal", "catalog", "objects"),
    }
    assert {names[model].schedules for model in plants} == {50_000}
    assert {n for n in names if "_model.plant" in n} == {f"{c}.plant.{p}" for c in plants for p in plants[c]}


@pytest.mark.parametrize("name, plants", [("kill9", ()), ("powercut", ("journal", "catalog", "parquet", "directory"))])
def test_whole_processes_are_crashed_in_200_rounds_and_plants_in_20(name, plants):
    found = {part.name: part for part in soak.parts(soak.CAMPAIGNS, 1) if part.name.split(".")[0] == name}
    assert (found[name].schedules, found[name].must) == (200, 0)
    assert {n: (p.schedules, p.must) for n, p in found.items() if n != name} == {
        f"{name}.plant.{plant}": (20, 1) for plant in plants
    }


def test_each_step_is_struck_in_10_rounds_and_plants_in_one():
    found = {part.name: (part.schedules, part.must) for part in soak.parts(soak.CAMPAIGNS, 1) if part.name.split(".")[0] == "steps"}
    plants = {f"steps.plant.{plant}": (1, 1) for plant in ("journal", "catalog", "parquet", "directory")}
    assert found == {"steps": (10, 0)} | plants


@pytest.mark.parametrize("campaign", soak.CAMPAIGNS, ids=lambda campaign: campaign.name)
def test_scripts_of_the_table_exist(campaign):
    scripts = [word for word in campaign.command.split() if word.endswith(".py")]
    assert all((soak.ROOT / script).is_file() for script in scripts)


def test_a_good_run_brings_its_counters_and_seed(run):
    entry = run(WRITES, "{json}", "0")
    assert (entry["ok"], entry["status"], entry["seed"], entry["counters"]) == (True, 0, 42, {"crashes": 7})


@pytest.mark.parametrize("program, must", [
    ("raise SystemExit(1)", 0),  # a failed campaign
    ("raise SystemExit(0)", 0),  # one that counted nothing
    ("raise SystemExit(0)", 1),  # a plant nobody noticed
    ("raise SystemExit(2)", 1),  # a plant the program does not know
    ("import os; os.abort()", 1),  # a plant that crashed it
])  # fmt: skip
def test_any_other_end_fails(run, program, must):
    assert not run(program, must=must)["ok"]


def test_a_noticed_plant_is_good_with_or_without_counters(run):
    assert run("raise SystemExit(1)", must=1)["ok"]
    assert run(WRITES, "{json}", "1", must=1)["counters"] == {"crashes": 7}


def test_counters_of_an_earlier_run_are_not_taken(run, tmp_path):
    (tmp_path / "part.json").write_text("{}")
    assert run("pass")["counters"] is None


def test_a_missing_program_fails_by_name(tmp_path):
    entry = soak.run(soak.Part("part", "build/none", 1, 0), 1, out=tmp_path, root=tmp_path)
    assert (entry["ok"], "build/none" in entry["error"]) == (False, True)


def test_the_report_names_commit_seed_and_hours(tmp_path, monkeypatch):
    (tmp_path / "p.py").write_text(WRITES)
    monkeypatch.setattr(soak, "ROOT", tmp_path)
    monkeypatch.setattr(soak, "OUT", tmp_path / "out")
    monkeypatch.setattr(soak, "run", lambda part, seed, real=soak.run: real(part, seed, tmp_path / "out", tmp_path))
    command = f"{sys.executable} {tmp_path}/p.py {{json}}"
    monkeypatch.setattr(soak, "CAMPAIGNS", [soak.Campaign("c", command + " 0", 40, 1)])
    assert soak.main(["--no-build", "--seed", "9"]) == 0
    report = json.loads((tmp_path / "out/report.json").read_text())
    assert (report["seed"], report["schedules"], report["ok"], report["complete"]) == (9, 40, True, True)
    assert {"commit", "dirty", "hours"} <= report.keys()

    monkeypatch.setattr(soak, "CAMPAIGNS", [soak.Campaign("c", command + " 3", 40, 1)])
    assert soak.main(["--no-build"]) == 1
    assert json.loads((tmp_path / "out/report.json").read_text())["ok"] is False
