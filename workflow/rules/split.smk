"""Deal cases to folds; no group straddles them.

INPUT   the slices that the study uses: a case without a slice is in no fold
OUTPUT  data/splits/{study}/{dataset}.csv (run, case_id, group_id, part)
"""


rule split:
    input:
        table=dag.slices_file("slices.parquet"),
    output:
        split="data/splits/{study}/{dataset}.csv",
    log:
        "logs/{study}/split/{dataset}.log",
    localrule: True
    params:
        protocol=dag.split_protocol,
        code=code_digest("segrepro.splits.make"),
    message:
        "Splitting {wildcards.dataset} for {wildcards.study}"
    shell:
        "python -m segrepro split {wildcards.study}/{wildcards.dataset}"
        " --protocol {params.protocol:q} --slices $(dirname {input.table}) --out {output.split} 2> {log}"
