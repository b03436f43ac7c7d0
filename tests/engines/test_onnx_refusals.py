"""Files that are no upscaler or no detector are refused when chosen, and no loop hangs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ninefold import ModelError, Pipeline, PipelineContext
from ninefold.engines.detection import DETECTION
from ninefold.engines.onnx_detection import OnnxDetectionEngine
from ninefold.engines.onnx_upscaling import OnnxUpscaleEngine
from ninefold.engines.resources import EngineResources
from ninefold.engines.settings import EngineSettings
from ninefold.engines.upscaling import UPSCALING, FakeUpscale
from ninefold.stages import DetailerStage, InspectorStage, UpscalerStage
from ninefold.testing import fake_engines
from tests.support import picture, run

onnx = pytest.importorskip("onnx")

SETTINGS = EngineSettings(threads=1)
Nodes = list[Any]


def node(kind: str, inputs: str, output: str, **attributes: Any) -> Any:
    from onnx import helper

    return helper.make_node(kind, inputs.split(), output.split(), **attributes)


def save(
    path: Path,
    nodes: Nodes,
    constants: dict[str, Any] | None = None,
    *,
    metadata: dict[str, str] | None = None,
    shape: tuple[Any, ...] = (1, 3, "h", "w"),
    kind: str = "FLOAT",
    kind_out: str | None = None,
    inputs: tuple[str, ...] = ("images",),
    outputs: tuple[str, ...] = ("out",),
) -> str:
    from onnx import TensorProto, helper, numpy_helper

    element = getattr(TensorProto, kind)
    gives = helper.make_tensor_type_proto(
        getattr(TensorProto, kind_out or kind) if kind_out != "SEQUENCE" else element, None
    )
    if kind_out == "SEQUENCE":
        gives = helper.make_sequence_type_proto(gives)
    graph = helper.make_graph(
        nodes,
        "test",
        [helper.make_tensor_value_info(name, element, shape) for name in inputs],
        [helper.make_value_info(name, gives) for name in outputs],
        [
            numpy_helper.from_array(np.asarray(value), name)
            for name, value in (constants or {}).items()
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    helper.set_model_props(model, metadata or {})
    onnx.save(model, path)
    return str(path)


def resized(factors: tuple[float, float]) -> tuple[Nodes, Any]:
    """Nodes that enlarge `before` to `after`."""
    from onnx import helper

    found = helper.make_node(
        "Resize",
        ["before", "", "scales"],
        ["after"],
        mode="nearest",
        coordinate_transformation_mode="asymmetric",
        nearest_mode="floor",
    )
    return [found], {"scales": np.array([1, 1, *factors], np.float32)}


def upscaler(path: Path, case: str) -> str:
    nodes, constants = resized({"factor 1.5": (1.5, 1.5), "unequal": (2, 3)}.get(case, (2, 2)))
    before, after = node("Identity", "images", "before"), node("Identity", "after", "out")
    whole = [before, *nodes, after]
    match case:
        case "identity":
            return save(path, [node("Identity", "images", "out")])
        case "smaller":
            nodes, constants = resized((0.5, 0.5))
            return save(path, [before, *nodes, after], constants)
        case "0 to 9":
            return save(
                path,
                [before, *nodes, node("Mul", "after k", "out")],
                constants | {"k": np.float32(9)},
            )
        case "not a number":
            return save(
                path,
                [before, *nodes, node("Div", "after k", "x"), node("Mul", "x k", "out")],
                constants | {"k": np.float32(0)},
            )
        case "white":
            return save(
                path,
                [before, *nodes, node("Add", "after k", "out")],
                constants | {"k": np.float32(1000)},
            )
        case "no picture":
            empty = node("Slice", "after from to batch", "out")
            return save(
                path,
                [before, *nodes, empty],
                constants | {"from": [0], "to": [0], "batch": [0]},
            )
        case "none out":
            empty = node("Slice", "images from to sides", "out")
            return save(path, [empty], {"from": [0, 0], "to": [0, 0], "sides": [2, 3]})
        case "64 times":
            nodes, constants = resized((64, 64))
            return save(path, [before, *nodes, after], constants)
        case "list":
            return save(path, [node("SequenceConstruct", "images", "out")], kind_out="SEQUENCE")
        case "words":
            return save(path, [node("Identity", "word", "out")], {"word": "x"}, kind_out="STRING")
        case "two in":
            return save(path, whole, constants, inputs=("images", "more"))
        case "fails":
            wrong = node("Reshape", "images shape", "out")
            return save(path, [wrong], {"shape": np.array([7, 11, 13])})
        case "grey out":
            return save(
                path, [before, *nodes, node("ReduceMean", "after", "out", axes=[1])], constants
            )
        case "no image out":
            return save(path, [node("ReduceMean", "images", "out", axes=[2, 3], keepdims=0)])
        case "always one size":
            return save(
                path,
                [
                    node("Identity", "k", "k2"),
                    node("ReduceMean", "images", "m", keepdims=0),
                    node("Mul", "k2 z", "z2"),
                    node("Add", "z2 m", "out"),
                ],
                {"k": np.zeros((1, 3, 32, 32), np.float32), "z": np.float32(0)},
            )
        case "five channels":
            return save(path, whole, constants, shape=(1, 5, "h", "w"))
        case "words in":
            return save(path, [node("Identity", "images", "out")], kind="STRING")
        case "good":
            return save(path, whole, constants)
        case "half":
            return save(path, whole, constants, kind="FLOAT16")
    return save(path, whole, constants)  # of another factor


REFUSED = {
    "identity": "expected an upscaler.*got 16x16",
    "smaller": "whole-number magnification, got 8x8|expected an upscaler",
    "factor 1.5": "whole-number magnification, got 24x24 from 16x16",
    "unequal": "whole-number magnification",
    "0 to 9": r"to stay about as bright, in values from 0 to 1, 0 to 255 or -1 to 1, got it off by",
    "not a number": "values that are no numbers .NaN or infinite",
    "no picture": "an output of 1 x 3 x height x width, got .0, 3",
    "64 times": "2 to 16 times as large, got 1024x1024",
    "none out": "2 to 16 times as large, got 0x0",
    "list": "an array of numbers as output, got list",
    "words": "an array of numbers as output, got object",
    "two in": "expected one input, the image, got also more",
    "fails": "failed on an input of shape",
    "white": "to stay about as bright",
    "grey out": "an output of 1 x 3 x height x width",
    "no image out": "an output of 1 x 3 x height x width",
    "always one size": "whole-number magnification",
    "five channels": r"expected an image as input.*got \[\[1, 5, 'h', 'w'\]\]",
    "words in": "expected an input of float32, float16, uint8, got tensor.string",
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_no_upscaler_is_refused_when_it_is_chosen(tmp_path: Path, case: str) -> None:
    model = upscaler(tmp_path / "u.onnx", case)
    engine = OnnxUpscaleEngine(EngineResources(SETTINGS))
    with pytest.raises(ModelError, match=REFUSED[case]):
        engine.scale(model)
    engines = fake_engines().with_engines(UPSCALING, engine)
    context = PipelineContext(tmp_path / "run", image=picture(40, 40))
    (line,) = Pipeline([UpscalerStage(engines=engines, upscaler=model)]).problems(context)
    assert line.startswith("upscaler.upscaler: ")


@pytest.mark.parametrize("case", ["good", "half"])
def test_upscalers_of_both_precisions(tmp_path: Path, case: str) -> None:
    model = upscaler(tmp_path / "u.onnx", case)
    engine = OnnxUpscaleEngine(EngineResources(SETTINGS))
    assert engine.scale(model) == 2
    image = picture(40, 24)
    made = engine.upscale(model, image)
    assert made.shape == (48, 80, 3)
    assert np.abs(made[::2, ::2].astype(int) - image).max() <= 1


def test_no_upscaler_makes_the_stage_go_on_for_ever(tmp_path: Path) -> None:
    class One(FakeUpscale):
        """An engine of somebody else's whose model enlarges by nothing."""

        def scale(self, model: str) -> int:
            return 1

    engines = fake_engines().with_engines(UPSCALING, One())
    context = PipelineContext(tmp_path, image=picture(40, 40))
    run(Pipeline([UpscalerStage(engines=engines)]).execute(context))
    assert context.error is not None
    assert "enlarges by 2 or more, got 1" in context.error.message


def detector(path: Path, output: tuple[int, ...], value: float = 0.5, **options: Any) -> str:
    """A model that gives the same array for every image."""
    metadata = {"names": "{0: 'cat', 1: 'dog'}", "stride": "32"} | options.pop("metadata", {})
    nodes = [
        node("ReduceMean", "images", "mean", keepdims=0),
        node("Mul", "mean zero", "nothing"),
        node("Add", "found nothing", "out"),
        node("Identity", "mean", "second"),
    ]
    constants = {"found": np.full(output, value, np.float32), "zero": np.float32(0)}
    return save(path, nodes, constants, metadata=metadata, **options)


@pytest.mark.parametrize(
    ("shape", "options", "says"),
    [
        ((1, 38, 84), {"outputs": ("out", "second")}, "got outputs of 1 x 38 x 84, no shape"),
        ((1, 6, 84), {"metadata": {"task": "segment"}}, "got an output of 1 x 6 x 84"),
        ((1, 57, 84), {}, "got an output of 1 x 57 x 84"),
        ((1, 6, 84), {"metadata": {"task": "pose"}}, "`kpt_shape`"),
        ((1, 6, 84), {"metadata": {"task": "classify"}}, "the task 'classify'"),
        ((1, 84, 9), {}, "got an output of 1 x 84 x 9"),
        ((1, 2), {}, "got an output of 1 x 2"),
        ((84,), {}, "got an output of 84"),
        ((2, 6, 84), {}, "got an output of 2 x 6 x 84"),
        ((1, 6, 84), {"value": 7.0}, "scores from 7 to 7"),
        ((1, 6, 84), {"value": -3.0}, "scores from -3 to -3"),
        ((1, 6, 84), {"value": float("nan")}, "values that are no numbers"),
        ((1, 6, 84), {"metadata": {"stride": "[]"}}, "`stride` to be whole numbers.*got '.*'"),
        ((1, 6, 84), {"metadata": {"stride": "-32"}}, "`stride` to be whole numbers from 1 to"),
        ((1, 6, 84), {"metadata": {"imgsz": "[640, 'x']"}}, "`imgsz` to be whole numbers"),
        ((1, 6, 84), {"metadata": {"imgsz": "1000000"}}, "`imgsz` to be whole numbers"),
        ((1, 6, 84), {"metadata": {"names": "{'a': 1, 2: 3}"}}, "no `names`"),
        ((1, 6, 84), {"metadata": {"names": "[" * 5000}}, "no `names`"),
        ((1, 6, 84), {"metadata": {"names": "none"}}, "no `names`"),
    ],
)
def test_a_detector_of_another_layout_is_refused_before_anything_is_painted(
    tmp_path: Path, shape: tuple[int, ...], options: dict[str, Any], says: str
) -> None:
    model = detector(tmp_path / "d.onnx", shape, **options)
    engines = fake_engines().with_engines(DETECTION, OnnxDetectionEngine(EngineResources(SETTINGS)))
    with pytest.raises(ModelError, match=says):
        engines.detection.labels(model)
    for stage in (
        DetailerStage(engines=engines, detector=model),
        InspectorStage(engines=engines, detector=model),
    ):
        context = PipelineContext(tmp_path / "run", prompt="a", image=picture(64, 64))
        (line,) = Pipeline([stage]).problems(context)
        assert line.startswith(f"{stage.name}.detector: ")


def test_a_detector_with_a_fixed_size(tmp_path: Path) -> None:
    fixed = detector(tmp_path / "a.onnx", (1, 6, 84), shape=(1, 3, 96, 160))
    assert OnnxDetectionEngine(EngineResources(SETTINGS)).labels(fixed) == ("cat", "dog")


def test_labels_are_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    names = {str(number): f"label {number}" for number in range(12)}
    model = detector(tmp_path / "a.onnx", (1, 16, 84), metadata={"names": repr(names)})
    assert OnnxDetectionEngine(EngineResources(SETTINGS)).labels(model) == tuple(names.values())


@pytest.mark.parametrize("shape", [(1, 3, 96, "w"), (1, 3, "h", 96)])
def test_a_detector_with_one_fixed_side_is_given_it(tmp_path: Path, shape: Any) -> None:
    model = detector(tmp_path / "a.onnx", (1, 6, 84), shape=shape)
    assert (
        OnnxDetectionEngine(EngineResources(SETTINGS)).detect(model, picture(200, 100), 0.9) == ()
    )


def test_what_turns_out_to_be_no_number_later_is_reported(tmp_path: Path) -> None:
    """A detector that divides by what is 0 in a black image alone."""
    nodes = [
        node("ReduceMax", "images", "brightest", keepdims=0),
        node("Div", "brightest brightest", "one"),
        node("Mul", "found one", "out"),
    ]
    model = save(
        tmp_path / "d.onnx",
        nodes,
        {"found": np.full((1, 6, 84), 0.5, np.float32)},
        metadata={"names": "{0: 'cat', 1: 'dog'}", "imgsz": "64"},
    )
    engine = OnnxDetectionEngine(EngineResources(SETTINGS))
    assert engine.labels(model) == ("cat", "dog")
    with pytest.raises(ModelError, match="no numbers"):
        engine.detect(model, np.zeros((64, 64, 3), np.uint8), 0.4)


def test_an_upscaler_whose_factor_hangs_on_the_size_is_reported(tmp_path: Path) -> None:
    """2 times for the tiny images that it is tried on, 1 for others."""
    shape = [
        node("Shape", "images", "shape", start=2),
        node("Less", "shape limit", "small"),
        node("Cast", "small", "more", to=1),
        node("Add", "more one", "sides"),
        node("Concat", "ones sides", "scales", axis=0),
        node("Identity", "images", "before"),
    ]
    nodes, _ = resized((2, 2))
    model = save(
        tmp_path / "u.onnx",
        [*shape, *nodes, node("Identity", "after", "out")],
        {"limit": np.int64(40), "one": np.float32(1), "ones": np.ones(2, np.float32)},
    )
    engine = OnnxUpscaleEngine(EngineResources(SETTINGS))
    assert engine.scale(model) == 2
    with pytest.raises(ModelError, match="to become 2 times as large, got"):
        engine.margin(model)
    with pytest.raises(ModelError, match="expected 64x50 to become 2 times as large, got 64x50"):
        engine.upscale(model, picture(64, 50))
