# SPDX-License-Identifier: Apache-2.0
"""The tools of others read what isobit writes. Arguments: a run's folder, the name of its TensorBoard folder, a
published bundle.

TensorBoard: tags, steps, values as in history.csv, histograms that count every weight. roc-validator: the bundle is a
Workflow Run Crate. in-toto's attestation bindings: the statement is one, and its digests are those of the files."""
import csv
import hashlib
import json
import pathlib
import sys

from google.protobuf import json_format

run, logs, bundle = sys.argv[1:4]


def check_tensorboard():
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.util import tensor_util

    history = list(csv.DictReader(open(f"{run}/history.csv")))
    compared = 0
    for part, prefix in (("train", ""), ("validation", "val_")):
        events = EventAccumulator(f"{run}/{logs}/{part}", size_guidance={"tensors": 0})
        events.Reload()
        tags = events.Tags()["tensors"]
        for name in ("loss", "accuracy"):
            found = events.Tensors(f"epoch_{name}")
            assert [e.step for e in found] == list(range(len(history))), (part, name, [e.step for e in found])
            for e, row in zip(found, history):
                value = float(tensor_util.make_ndarray(e.tensor_proto))
                assert abs(value - float(row[prefix + name])) < 1e-6, (part, name, e.step, value)
                compared += 1
            plugin = events.SummaryMetadata(f"epoch_{name}").plugin_data.plugin_name
            assert plugin == "scalars", plugin
        if part == "train":
            assert "batch_loss" in tags and "keras" in tags and "epoch_learning_rate" in tags, tags
            histograms = [t for t in tags if t.endswith("/histogram")]
            assert len(histograms) == 4, tags
            for tag in histograms:
                for e in events.Tensors(tag):
                    rows = tensor_util.make_ndarray(e.tensor_proto)
                    assert rows.shape[1] == 3 and rows[:, 2].sum() in (8 * 64, 8, 80, 10), (tag, rows)
                    compared += 1
    print("TensorBoard:", compared, "values and histograms compared")
    assert compared >= 20


def check_crate():
    """Without a network: the context of RO-Crate comes from the package rocrate, whose version of it says terms/ where
    that of 1.1 does not."""
    import requests
    import rocrate
    from rocrate_validator import models, services

    context = (pathlib.Path(rocrate.__file__).parent / "data" / "ro-crate.jsonld").read_text()
    context = context.replace("https://bioschemas.org/terms/", "https://bioschemas.org/")

    def answer(self, request, **settings):
        response = requests.Response()
        response.request, response.url, response.encoding = request, request.url, "utf-8"
        known = request.url.startswith("https://w3id.org/ro/crate/")
        response.status_code, response._content = (200, context.encode()) if known else (404, b"")
        response.headers["Content-Type"] = "application/ld+json"
        return response

    requests.Session.send = requests.adapters.HTTPAdapter.send = answer
    result = services.validate(services.ValidationSettings(
        rocrate_uri=bundle, profile_identifier="workflow-run-crate", no_cache=True,
        requirement_severity=models.Severity.REQUIRED))
    for issue in result.get_issues():
        print(issue.severity, issue.check.identifier, issue.message)
    assert result.passed()
    print("roc-validator: a Workflow Run Crate")


def check_statement():
    from in_toto_attestation.v1 import statement_pb2
    from in_toto_attestation.v1.statement import Statement

    message = statement_pb2.Statement()
    json_format.Parse(open(f"{bundle}/statement.json").read(), message)
    Statement(list(message.subject), message.predicate_type, json_format.MessageToDict(message.predicate)).validate()
    names = 0
    for subject in message.subject:
        if subject.name == "result":
            assert subject.digest["sha256"] == json.load(open(f"{bundle}/record.json"))["result"]
            continue
        data = open(f"{bundle}/{subject.name}", "rb").read()
        assert hashlib.sha256(data).hexdigest() == subject.digest["sha256"], subject.name
        names += 1
    assert names >= 10
    print("in-toto:", names, "files as the statement says")


check_tensorboard()
check_crate()
check_statement()
