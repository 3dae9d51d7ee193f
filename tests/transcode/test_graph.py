"""Argument lists, without running anything."""

from transcode import graph

PLAN = graph.SyntheticPlan(
    seconds=3, width=640, height=360, rate=25, hue=7, tone=440, strip_height=34, made_at="2026-11-22T21:14:05Z"
)


def test_the_same_plan_compiles_to_the_same_arguments() -> None:
    assert graph.synthetic(PLAN, "file:/x.mp4") == graph.synthetic(PLAN, "file:/x.mp4")


def test_sizes_arrive_whole() -> None:
    arguments = graph.synthetic(PLAN, "file:/x.mp4")

    assert arguments[arguments.index("-video_size") + 1] == "640x34"


def test_a_file_is_always_named_as_a_file() -> None:
    assert "file:/-i http:x.mp4" in graph.synthetic(PLAN, "file:/-i http:x.mp4")
