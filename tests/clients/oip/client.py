"""Use a model through the public Open Inference Protocol client, unmodified: one header pays.

    python client.py --url 127.0.0.1:8000 --model soil --api-key sk-aloft-...

Asks for the same rows twice, as binary tensors (the client's default) and as JSON, and requires the same bits. Prints one
line of JSON and exits with 0 when everything held.
"""

import argparse
import json
import sys

import numpy as np
import tritonclient.http as triton
from tritonclient.utils import InferenceServerException, triton_to_np_dtype


def rows_for(spec, rows):
    """A tensor of the described type and shape, filled with a ramp; sizes left open become `rows`."""
    shape = [rows if side == -1 else side for side in spec["shape"]]
    values = np.arange(np.prod(shape)) / 16
    return values.reshape(shape).astype(triton_to_np_dtype(spec["datatype"]))


def ask(client, model, metadata, tensors, binary, headers):
    inputs = []
    for spec in metadata["inputs"]:
        tensor = tensors[spec["name"]]
        named = triton.InferInput(spec["name"], list(tensor.shape), spec["datatype"])
        inputs.append(named.set_data_from_numpy(tensor, binary_data=binary))
    outputs = [triton.InferRequestedOutput(spec["name"], binary_data=binary) for spec in metadata["outputs"]]
    answer = client.infer(model, inputs, outputs=outputs, request_id="1", headers=dict(headers))
    return [answer.as_numpy(spec["name"]) for spec in metadata["outputs"]]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--url", required=True, help="host:port of the node's HTTP interface")
    parser.add_argument("--model", required=True)
    parser.add_argument("--api-key", required=True, help="from POST /v1/sessions")
    parser.add_argument("--rows", type=int, default=3)
    parser.add_argument("--requests", type=int, default=3, help="pairs of requests, one binary and one JSON each")
    arguments = parser.parse_args()
    headers = {"Authorization": f"Bearer {arguments.api_key}"}

    client = triton.InferenceServerClient(arguments.url)
    assert client.is_server_live() and client.is_server_ready()
    assert client.is_model_ready(arguments.model)
    assert not client.is_model_ready("no-such-model")
    server = client.get_server_metadata()
    metadata = client.get_model_metadata(arguments.model)

    tensors = {spec["name"]: rows_for(spec, arguments.rows) for spec in metadata["inputs"]}
    first = None
    for _ in range(arguments.requests):
        binary = ask(client, arguments.model, metadata, tensors, True, headers)
        text = ask(client, arguments.model, metadata, tensors, False, headers)
        for one, other in zip(binary, text):
            assert one.tobytes() == other.tobytes(), "binary and JSON answers differ"
        if first is not None:
            assert all(a.tobytes() == b.tobytes() for a, b in zip(first, binary)), "two answers differ"
        first = binary

    # Without the key the server names its price; the client reports it as an error of status 402.
    try:
        ask(client, arguments.model, metadata, tensors, True, {})
        raise AssertionError("an unpaid request was answered")
    except InferenceServerException as error:
        assert error.status() == "402", error
        price = error.message()

    print(json.dumps({
        "server": server["name"],
        "model": metadata["name"],
        "requests": 2 * arguments.requests,
        "outputs": {spec["name"]: output.tolist() for spec, output in zip(metadata["outputs"], first)},
        "unpaid": price,
    }))


if __name__ == "__main__":
    sys.exit(main())
