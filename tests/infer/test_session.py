"""Loading networks: providers, and files that are not ours."""

import numpy as np
import onnxruntime
import pytest

from endplate.errors import InputError, UnknownName
from endplate.infer.session import PROVIDERS, Network, available_providers, choose_provider
from endplate.models.metadata import METADATA_KEY, ModelMetadata

onnx = pytest.importorskip("onnx", reason="needs the package onnx to make small networks")


def network_file(path, metadata: str | None):
    """A network that returns its input, with or without our metadata."""
    shape = ["n", 1, 4, 4]
    float_type = onnx.TensorProto.FLOAT
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("Identity", ["image"], ["heatmaps"])],
        "copy",
        [onnx.helper.make_tensor_value_info("image", float_type, shape)],
        [onnx.helper.make_tensor_value_info("heatmaps", float_type, shape)],
    )
    opsets = [onnx.helper.make_opsetid("", 18)]
    model = onnx.helper.make_model(graph, opset_imports=opsets, ir_version=9)
    if metadata is not None:
        onnx.helper.set_model_props(model, {METADATA_KEY: metadata})
    onnx.save(model, path)
    return path


METADATA = ModelMetadata("refiner", 2, 32, "1.2.3", "ab", crop=4, extent=1.8)


def test_a_network_of_ours(tmp_path):
    path = network_file(tmp_path / "net.onnx", METADATA.to_json())
    network = Network.load(path, provider="cpu", threads=1)
    assert network.metadata == METADATA
    assert network.provider == "cpu"
    assert len(network.sha256) == 64
    image = np.arange(32, dtype=np.float32).reshape(2, 1, 4, 4)
    np.testing.assert_array_equal(network.run(image)[0], image)


def test_foreign_networks_are_refused_with_one_sentence(tmp_path):
    path = network_file(tmp_path / "net.onnx", None)
    with pytest.raises(InputError) as caught:
        Network.load(path)
    assert str(caught.value).endswith("no metadata 'endplate'; export with endplate export")
    path = network_file(tmp_path / "net.onnx", "{}")
    with pytest.raises(InputError, match=r"net\.onnx: metadata 'endplate' is not readable"):
        Network.load(path)


@pytest.mark.parametrize("content", [b"", b"no network at all", b"\x08\x08\x12\x07pytorch"])
def test_files_that_are_no_networks_are_refused(tmp_path, content):
    path = tmp_path / "net.onnx"
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        Network.load(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def test_truncated_networks_are_refused(tmp_path):
    path = network_file(tmp_path / "net.onnx", METADATA.to_json())
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(InputError, match=r"net\.onnx"):
        Network.load(path)


def test_missing_files_and_folders(tmp_path):
    with pytest.raises(InputError, match="no such network"):
        Network.load(tmp_path / "net.onnx")
    with pytest.raises(InputError, match="no such network"):
        Network.load(tmp_path)


def test_threads_cannot_be_negative(tmp_path):
    path = network_file(tmp_path / "net.onnx", METADATA.to_json())
    with pytest.raises(InputError, match="threads=-1"):
        Network.load(path, threads=-1)


def test_unknown_providers_list_those_that_exist():
    with pytest.raises(UnknownName, match="unknown provider 'tpu'; valid: auto, cuda") as caught:
        choose_provider("tpu")
    assert all(name in str(caught.value) for name in PROVIDERS)


def test_providers_that_are_not_installed_say_which_are(monkeypatch):
    monkeypatch.setattr(
        onnxruntime,
        "get_available_providers",
        lambda: ["CPUExecutionProvider", "AzureExecutionProvider"],
    )
    assert available_providers() == ("cpu",)
    assert choose_provider("auto") == "cpu"
    with pytest.raises(InputError, match="provider cuda is not installed; installed: cpu"):
        choose_provider("cuda")


def test_a_graphics_card_is_preferred(monkeypatch):
    monkeypatch.setattr(
        onnxruntime, "get_available_providers", lambda: list(PROVIDERS.values())[::-1]
    )
    assert choose_provider("auto") == "cuda"
    assert choose_provider("openvino") == "openvino"
