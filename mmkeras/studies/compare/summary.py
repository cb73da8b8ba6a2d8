"""All runs of a comparison put together: the JSON that everything reads.

`compare.json` holds, with None where something is not defined:

- `data`, `data_sha256`, `counts`, `labels` (labelled training samples by
  fraction), `batch_size`, `resamples`;
- `budget`: `{"kind": "steps" or "seconds", "value"}`;
- `seeds`, `fractions` (rising), `arms`: `{"name", "strategy", "settings",
  "modality", "init"}`, where `modality` is None for an arm that sees all of
  them, and `init` has the runs whose towers it starts from;
- `costs`: `{"fraction", "arm", "steps", "samples", "seconds",
  "multiply_adds"}`, means over the seeds;
- `runs`: `{"fraction", "arm", "seed", "folder", "spent"}`, where `spent` is
  `{"steps", "samples", "seconds", "wall_seconds", "longest_step_sec",
  "multiply_adds", "left_out"}`, the last the stages that the budget left no
  time for;
- `targets`: by name, `{"kind", "unit", "metric", "smaller_is_better",
  "samples", "units" (groups of samples that were drawn as one)}` and

  - `table`: `{"fraction", "arm", "mean", "low", "high", "values",
    "metrics"}`, a row an arm: mean and 95 % interval over seeds and test
    samples (see `statistics`), the value of each seed, means of all metrics;
  - `majority`: `{"name", "mean", "low", "high"}`, the constant baseline
    of the training labels;
  - `pairs`: `{"fraction", "first", "second", "mean", "low", "high", "p",
    "p_holm", "sign_flip_p", "above", "below", "equal", "decided"}`: how much
    more `first` has than `second`. `decided` where `p_holm`, corrected over
    all rows of `pairs`, is below 0.05;
  - `alone`: the same of the first arm and each modality alone, with all
    labels, without `p_holm` and `decided`;
  - `curves`: `{"fraction", "arm", "samples", "mean", "low", "high",
    "metric"}`: the validation figure by samples seen, under a budget of
    seconds by `seconds` instead of `samples`, interval over seeds;
  - `absent`: `{"arm", "name", "absent", "mean", "low", "high"}` and `noise`:
    `{"arm", "modality", "unit", "level", "mean", "low", "high"}`, with the
    most labels, interval over seeds; the level None is the clean test split;
  - `classes`: `{"arm", "class", "support", "mean", "low", "high"}`: F1;
  - `conclusion`: sentences.
"""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

from mmkeras.metrics import describe
from mmkeras.studies.compare import seed_intervals
from mmkeras.studies.compare.conclusion_text import conclude
from mmkeras.studies.compare.table import Answers, Table, corrected, majority


def summarise(
    header: Mapping[str, Any],
    results: Sequence[Mapping[str, Any]],
    targets: Mapping[str, Any],
    answers: Answers,
    statistics: Mapping[str, Any],
) -> dict[str, Any]:
    """Returns what `compare.json` holds.

    Args:
        header: `data`, `data_sha256`, `counts`, `labels`, `groups` (of the
            test samples, or None), `kinds` (of the modalities),
            `noise_units` (of theirs that offer a corruption), `batch_size`,
            `resamples`, `budget`, `seeds`, `fractions` and `arms`.
        results: What was measured of each run.
        targets: Targets of the spec by name.
        answers: From one of `results` and a target to labels, outputs and
            weights of the test samples.
        statistics: Of the targets in the training split.
    """
    names = ("fraction", "arm", "seed", "folder", "spent")
    report = {
        **{key: each for key, each in header.items() if key != "groups"},
        "costs": seed_intervals.costs(header, results),
        "runs": [{name: run[name] for name in names} for run in results],
        "targets": {},
    }
    for name, target in targets.items():
        table = Table(name, target, header, results, answers)
        known = statistics.get(name, {})
        entry = _target(name, target, header, results, table, known)
        entry["conclusion"] = conclude(entry, report)
        report["targets"][name] = entry
    return report


def _target(name, target, header, results, table, statistics):
    fused = [a["name"] for a in header["arms"] if a["modality"] is None]
    alone = [a["name"] for a in header["arms"] if a["modality"] is not None]
    fractions, described = header["fractions"], describe(target.headline)
    return {
        "kind": target.kind,
        "unit": getattr(target, "unit", ""),
        "metric": target.headline,
        "smaller_is_better": described.smaller_is_better,
        "samples": table.samples,
        "units": table.units,
        "table": [
            table.row(fraction, arm["name"])
            for fraction in fractions
            for arm in header["arms"]
        ],
        "majority": majority(target, table, statistics),
        "pairs": corrected(
            [
                table.pair(fraction, *both)
                for fraction in fractions
                for both in itertools.combinations(fused, 2)
            ],
            len(header["seeds"]),
        ),
        "alone": [table.pair(fractions[-1], fused[0], a) for a in alone],
        "curves": seed_intervals.curves(name, target, header, results),
        **seed_intervals.harder(name, target, header, results),
        "classes": seed_intervals.classes(name, header, results),
    }
