from __future__ import annotations

import pytest

from benchmarks.check import Row, better, compared, figures, table, verdict
from benchmarks.running import Measured, is_wanted, stages

RUN = {"wall": 2.0, "cpu": 1.0, "mebibytes": 30.0, "server": 0.5}
KEPT = {"title": "T", "wall": {"crane": 2.0, "oras": 0.5}, "cpu": {"crane": 1.0, "oras": 1.0}, "mebibytes": 30.0}


def test_figures_are_medians_of_the_ratios_of_rounds() -> None:
    own = [RUN, {**RUN, "wall": 4.0, "mebibytes": 40.0}, RUN]
    crane = [{**RUN, "wall": wall, "cpu": 3.0} for wall in (1.0, 6.0, 8.0)]
    runs = {"lading": own, "crane": crane, "SHA-256 alone": own}
    expected = {"title": "T", "wall": {"crane": 1.5}, "cpu": {"crane": 3.0}, "mebibytes": 30.0}
    assert figures(Measured("pull", "T", "/", runs, {}, {})) == expected


def test_the_better_of_two_measurements_counts() -> None:
    other = {**KEPT, "wall": {"crane": 1.0, "oras": 0.75}, "mebibytes": 20.0}
    assert better(KEPT, other) == {**KEPT, "wall": {"crane": 2.0, "oras": 0.75}, "mebibytes": 20.0}


@pytest.mark.parametrize(
    ("now", "slower"),
    [
        ({}, []),
        ({"wall": {"crane": 1.7, "oras": 0.42}}, []),
        ({"wall": {"crane": 1.6, "oras": 0.4}}, ["wall"]),
        ({"wall": {"crane": 1.0, "oras": 1.0}}, []),  # one faster, one slower
        ({"cpu": {"crane": 0.9, "oras": 0.9}}, []),
        ({"cpu": {"crane": 0.8, "oras": 0.9}}, ["cpu"]),
        ({"mebibytes": 37.0}, []),
        ({"mebibytes": 38.0}, ["mebibytes"]),
        ({"wall": {"crane": 9.0, "oras": 9.0}, "mebibytes": 3.0}, []),
    ],
)
def test_a_work_is_slower_beyond_the_limits(now: dict[str, object], slower: list[str]) -> None:
    row = compared("pull", KEPT, {**KEPT, **now})
    assert row.slower == slower
    assert verdict([row]) == int(bool(slower))
    assert ("SLOWER" in table([row])) == bool(slower)


def test_only_clients_that_both_have_are_compared_and_the_others_are_named() -> None:
    now = {**KEPT, "wall": {"crane": 1.0, "skopeo": 9.0}, "cpu": {"crane": 1.0, "skopeo": 9.0}}
    row = compared("pull", KEPT, now)
    assert row.changes["wall"] == pytest.approx((2.0, 1.0, 2.0))
    assert row.notes == ["skopeo has no kept figures", "oras has kept figures and did not run"]
    assert all(note in table([row]) for note in row.notes)


def test_a_work_without_kept_figures_is_named_and_not_compared() -> None:
    row = compared("pull", None, KEPT)
    assert row == Row("pull", {}, ["has no kept figures"])
    assert "pull" in table([row])
    assert verdict([row]) == 2
    assert verdict([row, compared("push", KEPT, KEPT)]) == 0


def test_a_work_of_another_size_is_another_work() -> None:
    assert compared("pull", KEPT, {**KEPT, "title": "U"}).notes == ["was kept as another work: T"]


def test_without_a_client_in_both_there_is_nothing_to_compare() -> None:
    assert verdict([compared("pull", KEPT, {**KEPT, "wall": {}, "cpu": {}})]) == 2


def test_stages_are_named_or_all_or_those_at_a_distance() -> None:
    lines = ["20ms", "100ms", "64MB", "16MB", "20ms-64MB", "100ms-16MB", "50ms-16MB", "50ms"]
    assert stages(["sink", "distance"]) == ["sink", *lines]
    assert {"pulls", "20ms"} < set(stages([]))
    with pytest.raises(SystemExit, match="no stage is called far"):
        stages(["far"])


@pytest.mark.parametrize(
    ("patterns", "wanted"), [(None, True), ("push", False), ("pull,push-20ms", True), ("push*", True)]
)
def test_works_are_named_by_patterns(patterns: str | None, wanted: bool) -> None:
    assert is_wanted("push-20ms", patterns) == wanted
