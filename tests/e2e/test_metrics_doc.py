"""docs/metrics.md says what the server says."""

import sys

import pytest

from .server import ROOT

sys.path.insert(0, str(ROOT / "tools"))

import metrics_doc  # noqa: E402

TEXT = """# HELP b Bytes, by budget.
# TYPE b gauge
b{budget="x"} 1
b{budget="y z",unit="q"} 2.5
# HELP a_total All.
# TYPE a_total counter
a_total 0
"""


def test_the_document_is_up_to_date():
    fresh = metrics_doc.document(metrics_doc.ask())
    assert metrics_doc.DOCUMENT.read_text() == fresh, "run tools/metrics_doc.py"


def test_every_metric_has_a_row():
    text = metrics_doc.document(TEXT)
    assert text.startswith("# Metrics\n") and "tools/metrics_doc.py" in text
    assert text.endswith("| `b` | gauge | `budget`: x, y z; `unit`: q | Bytes, by budget. |\n| `a_total` | counter |  | All. |\n")


def test_a_histogram_is_one_row():
    text = metrics_doc.document(
        TEXT + '# HELP h Sizes.\n# TYPE h histogram\nh_count 1\nh_sum 2\nh_bucket{le="1"} 0\nh_bucket{le="+Inf"} 1\n'
    )
    assert text.endswith("| `h` | histogram |  | Sizes. |\n")


@pytest.mark.parametrize("text", [TEXT + "nonsense\n", TEXT + "c 1\n", TEXT.replace("# TYPE b gauge\n", "")])
def test_what_is_not_understood_is_no_document(text):
    with pytest.raises(ValueError):
        metrics_doc.document(text)


def test_a_document_out_of_date_is_told(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(metrics_doc, "DOCUMENT", tmp_path / "metrics.md")
    monkeypatch.setattr(metrics_doc, "ask", lambda: TEXT)
    assert metrics_doc.main(["--check"]) == 1
    assert metrics_doc.main([]) == 0 and metrics_doc.main(["--check"]) == 0
    (tmp_path / "metrics.md").write_text(metrics_doc.document(TEXT.replace("All", "Some")))
    assert metrics_doc.main(["--check"]) == 1
    assert "out of date" in capsys.readouterr().err
