"""From the publishers' bytes to every table and figure of every paper.

`snakemake --cores all` runs the demo tier (phantoms, minutes); `--config tier=paper` the papers.
"""

import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.utils import min_version

from segrepro.errors import UserError
from segrepro.protocol.dag import Dag
from segrepro.provenance import code_digest

min_version("9.27")


configfile: "config/config.yaml"


report: "workflow/report/workflow.rst"


# Used only with `--sdm apptainer`; docs/guide/running.md says how to build it.
container: "segrepro.sif"


# Jobs use the Python that runs Snakemake, whether or not its environment is activated.
shell.prefix(f'export PATH="{Path(sys.executable).parent}:$PATH"; set -euo pipefail; ')

try:
    dag = Dag(config, papers=Path(workflow.basedir) / "config/papers")
except UserError as error:
    raise WorkflowError(str(error)) from None


wildcard_constraints:
    study="[a-z0-9_.]+(-demo)?",
    dataset="[a-z0-9_]+(-phantom)?",
    slicing="[a-z0-9][a-z0-9_.-]*",
    model="[a-z0-9][a-z0-9_.-]*",
    run="[a-z0-9][a-z0-9_.-]*",
    table="[a-z0-9_-]+",
    figure="[a-z0-9_-]+",


rule all:
    default_target: True
    input:
        dag.reports(),


rule slices:
    input:
        dag.slices(),


rule weights:
    input:
        dag.weights(),


include: "workflow/rules/fetch.smk"
include: "workflow/rules/phantom.smk"
include: "workflow/rules/convert.smk"
include: "workflow/rules/slice.smk"
include: "workflow/rules/split.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/predict.smk"
include: "workflow/rules/score.smk"
include: "workflow/rules/complexity.smk"
include: "workflow/rules/claims.smk"
include: "workflow/rules/tables.smk"
include: "workflow/rules/figures.smk"
include: "workflow/rules/report.smk"
