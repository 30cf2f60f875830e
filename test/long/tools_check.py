# SPDX-License-Identifier: Apache-2.0
"""The real TensorBoard reads a run's event files: tags, steps, values as in history.csv, histograms that count every
weight. Arguments: the run's folder, the name of its log folder."""
import csv
import sys

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.util import tensor_util

run, logs = sys.argv[1:3]
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
print(compared, "values and histograms compared")
assert compared >= 20
