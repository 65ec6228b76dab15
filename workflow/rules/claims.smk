"""Fill the ledger: each published number beside ours, with a verdict.

INPUT   the scores of every run and the complexity of every model
OUTPUT  results/{study}/claims.csv, and its numbers alone for `dvc metrics diff`
"""


rule claims:
    input:
        scores=dag.of_runs("scores.parquet"),
        complexity=dag.complexities,
    output:
        ledger="results/{study}/claims.csv",
        metrics="results/{study}/metrics.json",
    log:
        "logs/{study}/claims.log",
    localrule: True
    params:
        protocol=dag.claims_protocol,
        code=code_digest("segrepro.claims.ledger"),
        overrides=dag.overrides,
    message:
        "Filling the ledger of {wildcards.study}"
    shell:
        "python -m segrepro claims {wildcards.study} {params.overrides}"
        " --results results/{wildcards.study} --out {output.ledger}"
        " --metrics {output.metrics} 2> {log}"
